"""What each path is for: the one place of the document that only people can write."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from service.api import export, messages, probes
from service.api.answers import NotReady, Ok, Page, Readiness, SenderCount, Stats
from service.api.openapi.answers import Fragment, answer, answer_json, header, link, text
from service.api.openapi.requests import EXAMPLE, query_parameter, signature_parameter, webhook_body
from service.api.parameters import FILTERS
from service.api.stream import FORMAT_RULE, FORMATS
from service.errors import (
    BodyTooLarge,
    InvalidMessage,
    InvalidParameter,
    InvalidSignature,
    RequestError,
    TooSlow,
    Unavailable,
)
from service.messages.instants import parse_instant
from service.messages.message import RULES
from service.store.interface import Row

TAGS = {
    "Webhooks": "Messages come in.",
    "Messages": "They are read, searched, counted and exported.",
    "Operations": "For whatever keeps the service running, and for Prometheus.",
    "Documentation": "What you are reading.",
}


class Operation(NamedTuple):
    """What a path does. It has one method, and HEAD besides where that is GET."""

    id: str
    tag: str
    summary: str
    description: str
    answers: Mapping[int, Fragment]
    refusals: Sequence[RequestError] = ()
    parameters: Sequence[Fragment] = ()
    body: Fragment | None = None


def operations(body_bytes_max: int) -> dict[str, Operation]:
    """Every operation, by its path; `body_bytes_max` is MAX_BODY_BYTES."""
    return {
        "/webhook": _receive_webhook(body_bytes_max),
        "/messages": _list_messages(),
        "/messages/export": _export_messages(),
        "/stats": _read_stats(),
        "/health/live": _check_liveness(),
        "/health/ready": _check_readiness(),
        "/metrics": _read_metrics(),
        "/openapi.json": _read_description(),
        "/docs": _show_documentation(),
    }


NO_DATABASE = Unavailable("the database does not answer")
STOPPING = Unavailable("the service is stopping")


def _receive_webhook(body_bytes_max: int) -> Operation:
    parties = {name: f"$request.body#/{name}" for name in ("from", "to")}
    listed = link("listMessages", "It can be read at once.", parties)
    return Operation(
        "receiveWebhook",
        "Webhooks",
        "Store a message",
        "A 200 means that the message is on stable storage, from now or from earlier: the first"
        " delivery of a `message_id` wins, and later ones change nothing. Send again what gets"
        " 408 or 503; whatever else is refused would be refused again.",
        {200: answer_json(Ok, Ok("ok"), "The message is stored.") | {"links": {"listed": listed}}},
        (
            InvalidSignature(),
            BodyTooLarge(body_bytes_max),
            InvalidMessage(f"from must be {RULES['from']}"),
            NO_DATABASE,
        ),
        (signature_parameter(),),
        webhook_body(body_bytes_max),
    )


def _list_messages() -> Operation:
    page = Page([EXAMPLE], total=1, limit=messages.LIMIT_DEFAULT, offset=0, next=None)
    same = {name: f"$request.query.{name}" for name in (*FILTERS, "limit", "total")}
    following = link(
        "listMessages",
        "The next page, where `next` is not null.",
        {"cursor": "$response.body#/next", **same},
    )
    return Operation(
        "listMessages",
        "Messages",
        "List, filter, search and count",
        "Oldest first, by `ts` and then `message_id`. To visit every message, follow `next` until"
        " it is null: a walk sees each message that was there when it began exactly once, however"
        " many arrive meanwhile.",
        {200: answer_json(Page, page, "A page of messages.") | {"links": {"next": following}}},
        (InvalidParameter(f"limit must be {messages.LIMIT_RULE}"), NO_DATABASE, TooSlow()),
        [query_parameter(name) for name in messages.PARAMETERS],
    )


def _export_messages() -> Operation:
    row = Row(
        EXAMPLE.message_id,
        EXAMPLE.from_msisdn,
        EXAMPLE.to_msisdn,
        parse_instant(EXAMPLE.ts),
        EXAMPLE.text,
    )
    content = {
        form.content_type: text((form.head + form.encode([row])).decode())
        for form in FORMATS.values()
    }
    return Operation(
        "exportMessages",
        "Messages",
        "Stream all messages",
        "In the order of `GET /messages`, by cursor, and no faster than the client reads. The"
        " answer is chunked, and one that fails ends without the last chunk, so that every client"
        " can tell a part from the whole.",
        {
            200: answer(
                "The messages: NDJSON has one `StoredMessage` a line.",
                content,
                {"Content-Disposition": header("A name for the file.")},
            )
        },
        (
            InvalidParameter(f"format must be {FORMAT_RULE}"),
            Unavailable(export.BUSY),
            TooSlow(),
        ),
        [query_parameter(name) for name in export.PARAMETERS],
    )


def _read_stats() -> Operation:
    stats = Stats(1, 1, [SenderCount(EXAMPLE.from_msisdn, 1)], EXAMPLE.ts, EXAMPLE.ts)
    return Operation(
        "readStats",
        "Messages",
        "Count them by sender",
        "The ten senders with most messages, and totals: exact at all times. The instants are null"
        " where there are no messages.",
        {200: answer_json(Stats, stats, "The counts.")},
        (NO_DATABASE, TooSlow()),
    )


def _check_liveness() -> Operation:
    return Operation(
        "checkLiveness",
        "Operations",
        "Does the process answer?",
        "Nothing else is looked at: a restart mends no database.",
        {200: answer_json(Ok, Ok("ok"), "It does.")},
    )


def _check_readiness() -> Operation:
    reason = NotReady("not ready", "no webhook secret is configured (WEBHOOK_SECRET)")
    return Operation(
        "checkReadiness",
        "Operations",
        "Can webhooks be stored?",
        "Whether a secret is set, and the database reads and writes. It turns back by itself.",
        {
            200: answer_json(Readiness, Readiness("ready"), "They can."),
            503: answer_json(NotReady, reason, "They can't, and why."),
        },
    )


def _read_metrics() -> Operation:
    example = 'webhook_requests_total{result="created"} 1.0\n'
    return Operation(
        "readMetrics",
        "Operations",
        "What Prometheus scrapes",
        "OpenMetrics where `Accept` lists it, else Prometheus text.",
        {200: answer("Every metric.", {name: text(example) for name in probes.CONTENT_TYPES})},
        (STOPPING,),
    )


def _read_description() -> Operation:
    return Operation(
        "readDescription",
        "Documentation",
        "This document",
        "OpenAPI 3.1. Open to everybody, also where there is a `READ_TOKEN`: it holds no message.",
        {200: answer("The document.", {"application/json": {"schema": {"type": "object"}}})},
        (STOPPING,),
    )


def _show_documentation() -> Operation:
    return Operation(
        "showDocumentation",
        "Documentation",
        "This document as a page",
        "Open to everybody. It makes no request to another host, and works without a network.",
        {200: answer("The page.", {"text/html; charset=utf-8": {"schema": {"type": "string"}}})},
        (STOPPING,),
    )
