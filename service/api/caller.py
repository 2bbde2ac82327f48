"""What a request says of its caller: a request id, an address, a trace."""

import ipaddress
import itertools
import re
import secrets
from functools import lru_cache
from typing import NamedTuple

import msgspec
from starlette.types import Scope

from service.settings import Network

REQUEST_ID = b"x-request-id"
FORWARDED_FOR = b"x-forwarded-for"
TRACEPARENT = b"traceparent"
FIELDS = frozenset((REQUEST_ID, FORWARDED_FOR, TRACEPARENT))

_process_id = secrets.token_hex(8).encode()
_request_numbers = itertools.count(1)
_sane_request_id = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch

# W3C Trace Context, 3.2: version, trace id, parent id, flags. Only a later version may add more.
_traceparent = re.compile(
    rb"(00|(?!ff)[0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
).fullmatch


class Caller(NamedTuple):
    """Who sent a request, as far as the log tells."""

    request_id: bytes
    client: str
    """An IP address; empty if the transport has none."""
    trace_id: str | msgspec.UnsetType


class CallerReader:
    """Reads the caller of each request. It believes `X-Forwarded-For` of trusted proxies alone."""

    def __init__(self, trusted_proxies: tuple[Network, ...]) -> None:
        self._trusted_proxies = trusted_proxies
        self._is_trusted = lru_cache(1024)(self._find_trusted)

    def read(self, scope: Scope) -> Caller:
        """The request id of the caller if it is sane, else a fresh one; address and trace id."""
        request_id: bytes | None = None
        trace_id: str | msgspec.UnsetType = msgspec.UNSET
        forwarded = b""
        for name, value in scope["headers"]:
            if name not in FIELDS:
                continue
            if name == REQUEST_ID:
                request_id = value if request_id is None else request_id
            elif name == FORWARDED_FOR:
                forwarded = forwarded + b"," + value if forwarded else value
            elif (found := _traceparent(value)) and not (found[1] == b"00" and found[3]):
                trace_id = found[2].decode()
        if request_id is None or not _sane_request_id(request_id):
            request_id = fresh_request_id()
        peer: str = (scope.get("client") or ("",))[0]
        if forwarded and self._trusted_proxies:
            peer = self._find_client(peer, forwarded)
        elif peer.startswith("::ffff:"):
            peer = _plain(peer) or peer
        return Caller(request_id, peer, trace_id)

    def is_trusted_peer(self, scope: Scope) -> bool:
        """Whether a trusted proxy has this end of the connection."""
        peer: str = (scope.get("client") or ("",))[0]
        return bool(self._trusted_proxies) and self._is_trusted(_plain(peer) or peer)

    def _find_client(self, peer: str, forwarded: bytes) -> str:
        """The last address that no trusted proxy has, from the nearest hop on."""
        client = _plain(peer) or peer
        for hop in reversed(forwarded.split(b",")):
            if not self._is_trusted(client):
                break
            address = _plain(hop.decode("latin-1").strip())
            if address is None:
                break
            client = address
        return client

    def _find_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted_proxies)


def fresh_request_id() -> bytes:
    """A request id that is unique in all processes."""
    return b"%s-%x" % (_process_id, next(_request_numbers))


def _plain(text: str) -> str | None:
    """An IP address in its usual form, without a port; None if the text has none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
