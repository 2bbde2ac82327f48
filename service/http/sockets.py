"""Sockets bound to HOST and PORT: for one process, or for each of several."""

import socket
import sys
from typing import Any

from service.errors import SettingsError, StartError

IS_BALANCED = sys.platform == "linux"
"""Whether the system spreads connections over the sockets that share a port (SO_REUSEPORT).

macOS gives them all to one. On Linux, 128 keep-alive connections that are opened at once leave
the busiest of 4 processes with 36 of them (the median of 20 trials; 42 at worst), and of 8 with 22
(24). Where all accept from one socket, whoever wakes first takes 107 (128), and 121 (128).
"""

UNSENT_BYTES = 128 * 1024
"""How much of an answer the system holds for a client, besides what is on its way to it.

Without this it holds megabytes, and says that there is room for more when a third of them is gone:
a slow client would look like one that takes nothing.
"""


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`; raises StartError where that can't be.

    They are bound before the database is opened, so that a second start on the same port fails
    early, and listen after it, so that nobody is let in too soon.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        # A label that is empty, or longer than 63 characters, does not get as far as the resolver.
        reason = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise SettingsError(
            f"HOST must be a host name or an IP address of this machine: {reason}"
        ) from error
    # One port chosen by the system can't be had on two addresses.
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    return [_bind(family, address) for family, address in (addresses if port else addresses[:1])]


def bind_each(host: str, port: int, processes: int) -> list[list[socket.socket]]:
    """What `bind` gives, once for each of several processes, all on the same port.

    Where the system does not balance, all have the same sockets.
    """
    claims = bind(host, port)
    if not IS_BALANCED:
        return [claims] * processes
    for claim in claims:
        # Now, and not before: two services must not share a port by mistake.
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound = [
        [_bind(claim.family, claim.getsockname(), shares_port=True) for claim in claims]
        for _ in range(processes)
    ]
    for claim in claims:
        claim.close()
    return bound


def rebind(bound: socket.socket) -> socket.socket:
    """A socket on the port that `bound` shares, which does not listen yet; closes `bound`.

    Until it listens, new connections go to the other sockets. Those that `bound` has not accepted
    are reset.
    """
    renewed = _bind(bound.family, bound.getsockname(), shares_port=True)
    bound.close()
    return renewed


def listen(bound: socket.socket, backlog_connections: int) -> None:
    """Have connections come to a socket of `bind`; raises StartError where that can't be."""
    try:
        # So that the next start can bind, too, while old connections of this one linger.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.listen(backlog_connections)
    except OSError as error:
        raise _describe(bound.getsockname(), error) from error


def _bind(family: int, address: Any, shares_port: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        # Two may have the address as long as neither listens, which takes as long as it takes to
        # open the database: without the option, the second can't.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        bound.close()
        raise _describe(address, error) from error
    return bound


def _describe(address: Any, error: OSError) -> StartError:
    host, port = address[:2]
    return StartError(f"HOST and PORT: can't listen on {host} port {port}: {error.strerror}")
