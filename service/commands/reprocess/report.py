"""The counts of one run, and what a person sees of them."""

from collections import Counter

from service.store.interface import Outcome


class Tally:
    """What became of the events, and of the messages in them."""

    def __init__(self) -> None:
        self.mended = 0
        self.messages = 0
        self.outcomes: Counter[Outcome] = Counter()
        """Of the messages; empty in a dry run."""
        self.refused: Counter[str] = Counter()
        """By rule."""

    @property
    def looked_at(self) -> int:
        return self.mended + self.refused.total()


def summary(tally: Tally, elapsed_seconds: float, is_dry_run: bool) -> str:
    """The counts as a few lines of text."""
    lines = [f"looked at {tally.looked_at:,} events with a problem in {elapsed_seconds:.2f} s"]
    if is_dry_run:
        lines += [_count(tally.mended, f"would be mended, with {tally.messages:,} messages")]
    else:
        lines += [
            _count(tally.mended, "mended"),
            f"  {_count(tally.outcomes[Outcome.CREATED], 'messages created')}",
            f"  {_count(tally.outcomes[Outcome.DUPLICATE], 'messages stored before')}",
            f"  {_count(tally.outcomes[Outcome.CONFLICT], 'messages stored before, otherwise')}",
        ]
    refused = tally.refused.total()
    lines.append(_count(refused, "still refused"))
    lines += [f"  {_count(count, reason)}" for reason, count in tally.refused.most_common()]
    return "".join(f"{line}\n" for line in lines)


def _count(count: int, what: str) -> str:
    return f"  {count:>11,}  {what}"
