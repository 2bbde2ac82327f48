"""Signs as a provider does: for `send`, and for the tests of every scheme."""

from service.errors import InvalidSignature
from service.messages.instants import format_instant
from service.sources.digests import make_digests
from service.sources.request import Request
from service.sources.scheme import Scheme, Signature
from service.sources.verification import Content


def sign(
    scheme: Scheme,
    secret: bytes,
    body: bytes,
    now: float,
    event_id: str,
    url: str,
    type: str | None = None,  # noqa: A002
) -> dict[str, str]:
    """All headers but Content-Type with which `body` is this event, sent at `now`.

    `now`: seconds since 1970. An id, a type or a timestamp that the scheme reads in the body must
    be there already. Of Ed25519 the secret is the private key. Raises ValueError with what the
    secret must be.
    """
    signature, digest = make_digests(scheme, secret, is_private=True)[0]
    headers: dict[str, str] = {}
    facts = [(scheme.type_parts, type or scheme.example.type), (scheme.id_parts, event_id)]
    for templates, text in facts:
        names = [part.argument for parts in templates for part in parts if part.kind == "header"]
        headers |= dict.fromkeys(names[:1], text)
    timestamp = _write_timestamp(signature, now)
    if signature.timestamp is not None and signature.timestamp.header is not None:
        headers[signature.timestamp.header] = timestamp
    signed = [part.argument for part in signature.signed_parts if part.kind == "header"]
    headers |= {name: event_id for name in signed if name not in headers}
    raw = [(name.lower().encode(), text.encode("latin-1")) for name, text in headers.items()]
    try:
        pieces = Content(signature).collect(Request(raw, url), body, timestamp.encode())
    except InvalidSignature:
        raise ValueError("a URL whose digest is that of the body") from None
    value = signature.prefix + digest.sign(b"".join(pieces)).decode()
    if signature.timestamp is not None and signature.timestamp.prefix is not None:
        value = f"{signature.timestamp.prefix}{timestamp}{signature.separator}{value}"
    return headers | {signature.header: value}


def _write_timestamp(signature: Signature, now: float) -> str:
    if signature.timestamp is None or signature.timestamp.json is not None:
        return ""
    if signature.timestamp.unit == "rfc3339":
        return format_instant(int(now * 1_000_000))
    return str(int(now * (1_000 if signature.timestamp.unit == "ms" else 1)))
