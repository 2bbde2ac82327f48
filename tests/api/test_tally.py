"""What one source received and refused: the last refusals, and the counts by reason."""

from service.api.webhooks.tally import Tally
from service.errors import BodyTooLarge, ClientLeft, InvalidSignature, Unavailable
from service.sources.refusals import REFUSALS_KEPT, Refused
from service.telemetry.logs import RequestLine
from service.telemetry.metrics import Metrics


def line(client: str) -> RequestLine:
    return RequestLine("", "INFO", "request", "id", "POST", "/webhook/github", client)


def test_the_last_refusals_are_kept_and_all_are_counted() -> None:
    tally = Tally("github", Metrics((), ["github"]))
    for number in range(REFUSALS_KEPT):
        tally.refuse(InvalidSignature("expired"), line(str(number)), b"12")
    tally.refuse(BodyTooLarge(5), line("last"), b"")
    kept = tally.refusals.last
    assert [refused.client for refused in kept] == [*map(str, range(1, REFUSALS_KEPT)), "last"]
    assert all(refused.refused_at > 1_700_000_000_000_000 for refused in kept)
    assert kept[0] == Refused(kept[0].refused_at, "expired", "1", 2)
    assert kept[-1][1:] == ("too_large", "last", 0)
    assert tally.refusals.by_reason == {"expired": REFUSALS_KEPT, "too_large": 1}


def test_a_webhook_that_may_come_again_is_no_refusal() -> None:
    tally = Tally("github", Metrics((), ["github"]))
    tally.refuse(Unavailable("full"), line(""), b"")
    tally.refuse(ClientLeft(), line(""), b"")
    assert not tally.refusals.last
    assert not tally.refusals.by_reason


def test_sources_are_counted_apart() -> None:
    metrics = Metrics((), ["github", "stripe"])
    of_github = line("")
    Tally("github", metrics).refuse(InvalidSignature("future"), of_github, b"")
    assert (of_github.source, of_github.result) == ("github", "invalid_signature")
    counts = {
        source: metrics.registry.get_sample_value(
            "webhook_refusals_total", {"source": source, "reason": "future"}
        )
        for source in ("webhook", "github", "stripe")
    }
    assert counts == {"webhook": 0, "github": 1, "stripe": 0}
