"""Does everybody read this head of a request alike? Pure bytes, no I/O.

httptools refuses most of what RFC 9112 wants refused; here is the rest. Where a proxy in front
reads a request, or its end, otherwise than we do, a request could hide in another's body.
"""

import re

from service.api.asgi import Headers

DECISIVE = frozenset((b"host", b"transfer-encoding", b"expect"))

_is_target = re.compile(rb"/[^#]*|https?://[^/?#@]+/[^#]*", re.IGNORECASE).fullmatch
_is_host = re.compile(
    rb"(?:\[[0-9A-Za-z:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]*)?"  # RFC 3986, 3.2
).fullmatch


def pick_decisive(headers: Headers) -> Headers:
    """The fields that the other functions here look at, of a head's with lower-case names."""
    return [field for field in headers if field[0] in DECISIVE]


def find_fault(version: str, target: bytes, decisive: Headers) -> str | None:
    """The rule that a head breaks, as an answer's detail; None where it breaks none."""
    hosts = [value for name, value in decisive if name == b"host"]
    codings = [value.lower() for name, value in decisive if name == b"transfer-encoding"]
    if version not in ("1.1", "1.0"):
        return "the version of HTTP must be 1.1 or 1.0"
    if not _is_target(target):
        return "the target must be a path, or an http URL without a user, and have no fragment"
    if len(hosts) > 1 or (not hosts and version == "1.1") or not all(map(_is_host, hosts)):
        return "there must be one Host: a host, and perhaps a port"
    if codings and (codings != [b"chunked"] or version == "1.0"):
        return "Transfer-Encoding must be chunked, and the version of HTTP 1.1"
    return None


def expects_continue(version: str, decisive: Headers) -> bool:
    """Whether the client may wait for a 100 before it sends the body (RFC 9110, 10.1.1)."""
    return version == "1.1" and any(
        name == b"expect" and value.lower() == b"100-continue" for name, value in decisive
    )
