"""The rules of a request's head: its size, its fields, its target. Pure bytes, no I/O.

httptools refuses most of what RFC 9112 forbids; the rest is here. If a proxy in front reads a
request, or its end, in another way than the service, a request could hide in another's body.
"""

import re
from urllib.parse import unquote_to_bytes

from httptools import HttpParserInvalidURLError, parse_url

from service.api.answers import Headers

HEAD_BYTES_MAX = 32 * 1024

HEAD_RULE = "the request's head must have at most 32 KiB"
FRAMING_RULE = "what is around a body's chunks must have at most 32 KiB"

DECISIVE = frozenset((b"host", b"transfer-encoding", b"expect"))

_is_target = re.compile(rb"/[^#]*|https?://[^/?#@]+/[^#]*", re.IGNORECASE).fullmatch
_is_host = re.compile(
    rb"(?:\[[0-9A-Za-z:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]*)?"  # RFC 3986, 3.2
).fullmatch


class RequestSize:
    """Counts the bytes of a request that are not its body, as they arrive.

    The parser does not say how many bytes of a piece were of which part. So a piece counts as a
    whole where it is known to be of one head, and is measured by the parsed fields where it is not.
    """

    def __init__(self) -> None:
        self._head_bytes = 0
        self._framing_bytes = 0

    def add(self, piece: bytes) -> None:
        """Count a piece that has just arrived."""
        self._head_bytes += len(piece)
        self._framing_bytes += len(piece)

    def begin_framing(self) -> None:
        """A head has ended, or a part of a body has arrived: count what is around chunks anew.

        The parser holds a trailer until it is whole, and copies it with each piece.
        """
        self._framing_bytes = 0

    def end_head(self) -> None:
        """Behind the piece, no head is arriving."""
        self._head_bytes = 0

    def is_head_too_large(self, target: bytes, headers: Headers) -> bool:
        """Whether a whole head is; the piece that it came in may hold its body, too."""
        return self._head_bytes > HEAD_BYTES_MAX < measure_head(target, headers)

    def is_unfinished_head_too_large(
        self, target: bytes, headers: Headers, has_whole_piece: bool
    ) -> bool:
        """Whether a head is that goes on in the next piece; `has_whole_piece`: all of this one."""
        if not has_whole_piece:
            self._head_bytes = measure_head(target, headers)
        return self._head_bytes > HEAD_BYTES_MAX

    def is_framing_too_large(self) -> bool:
        """Whether there are too many bytes around a body's chunks."""
        return self._framing_bytes > HEAD_BYTES_MAX


class NoTrailers(list[tuple[bytes, bytes]]):
    """Takes header fields, and keeps none: the trailers of a chunked body are no headers."""

    def append(self, _field: tuple[bytes, bytes]) -> None:
        pass


def measure_head(target: bytes, headers: Headers) -> int:
    """About how many bytes a head has; its fields alone count."""
    return len(target) + sum(len(name) + len(value) + len(": \r\n") for name, value in headers)


def pick_decisive(headers: Headers) -> Headers:
    """The fields that `find_fault` and `expects_continue` read; names are in lower case."""
    return [field for field in headers if field[0] in DECISIVE]


def find_fault(version: str, target: bytes, decisive: Headers) -> str | None:
    """The rule that a head breaks, as the `detail` of an answer; None where it breaks none."""
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


def path_of(target: bytes) -> str:
    """The path of a target, as far as it arrived, without the query; empty where it has none."""
    try:
        path = parse_url(target).path
    except HttpParserInvalidURLError:
        return ""
    return unquote_to_bytes(path or b"").decode("utf-8", "replace")


def write_head(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """The bytes of a head, without a field `Upgrade`."""
    fields = [b"%s: %s\r\n" % field for field in headers if field[0] != b"upgrade"]
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, target, version.encode(), b"".join(fields))
