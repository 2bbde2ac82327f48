"""Sockets bound to HOST and PORT."""

import socket
from typing import Any

from service.errors import SettingsError, StartError

UNSENT_BYTES = 128 * 1024
"""How many bytes of an answer the system buffers for a client, besides those in flight.

By default it buffers megabytes, and asks for more only when a third of them is gone. A slow client
would then look like a client that takes nothing.
"""


def bind(host: str, port: int) -> list[socket.socket]:
    """Bind a socket to every address of `host`. Raises StartError when that is not possible.

    Bind before the database is opened, so that a second start on the same port fails early. Listen
    after it is open, so that no client connects too soon.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        # UnicodeError: a label of the name is empty, or longer than 63 characters.
        reason = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise SettingsError(
            f"HOST must be a host name or an IP address of this machine: {reason}"
        ) from error
    # A port that the system chooses is free on one address, and perhaps not on the next.
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    return [_bind(family, address) for family, address in (addresses if port else addresses[:1])]


def listen(bound: socket.socket, backlog_connections: int) -> None:
    """Listen on a socket of `bind`. Raises StartError when that is not possible."""
    try:
        # The next start can then bind while old connections of this process are in TIME_WAIT.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.listen(backlog_connections)
    except OSError as error:
        raise _describe(bound.getsockname(), error) from error


def _bind(family: int, address: Any) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        if family == socket.AF_INET6:
            # `::` is every address of both families; any other address is bound by itself.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        bound.bind(address)
        # With the option, a second service could bind the port until this one listens.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        bound.close()
        raise _describe(address, error) from error
    return bound


def _describe(address: Any, error: OSError) -> StartError:
    host, port = address[:2]
    return StartError(f"HOST and PORT: can't listen on {host} port {port}: {error.strerror}")
