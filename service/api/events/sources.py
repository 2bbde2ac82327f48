"""GET /sources: what each source sent, and what was refused."""

from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

from service.api.answers import RefusedWebhook, SourceState, StateOfSources, encode, send_json
from service.api.webhooks.tally import Tally
from service.messages.instants import format_instant
from service.sources.refusals import Refusals, Refused
from service.store.interface import SourceTotals, Store


class Sources:
    """Answers the sources that are configured or have events, by name.

    Events are counted by the database. Rejections are those of this process since its start.
    """

    def __init__(
        self, store: Store, schemes: Mapping[str, str], tallies: Mapping[str, Tally]
    ) -> None:
        """`schemes`: by source. `tallies`: of each configured source, and of `webhook`."""
        self._store = store
        self._schemes = schemes
        self._tallies = tallies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        totals = {each.source: each for each in await self._store.source_totals()}
        names = sorted(self._tallies.keys() | totals.keys())
        states = [
            self._show(name, totals.get(name, SourceTotals(name, 0, 0, None))) for name in names
        ]
        await send_json(send, 200, encode(StateOfSources(states)))

    def _show(self, name: str, totals: SourceTotals) -> SourceState:
        tally = self._tallies.get(name)
        # Duplicates are not stored, so the process can know a later one than the database.
        came = int(tally.received_at * 1_000_000) if tally else 0
        last = max(came, totals.last_received_at or 0)
        refusals = tally.refusals if tally else Refusals()
        return SourceState(
            source=name,
            scheme=self._schemes.get(name),
            events=totals.event_count,
            problems=totals.problem_count,
            last_received_at=format_instant(last) if last else None,
            rejections=refusals.by_reason,
            last_rejections=[_show_refused(each) for each in reversed(refusals.last)],
        )


def _show_refused(refused: Refused) -> RefusedWebhook:
    at = format_instant(refused.refused_at)
    return RefusedWebhook(at, refused.reason, refused.client, refused.body_bytes)
