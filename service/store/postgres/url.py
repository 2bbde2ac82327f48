"""What a URL of libpq says that the driver does not take by itself."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from service.errors import DatabaseError

CONNECT_TIMEOUT = "connect_timeout"

IGNORED = frozenset(
    (
        *("channel_binding", "client_encoding", "fallback_application_name", "gssdelegation"),
        *("gssencmode", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle"),
        *("keepalives_interval", "load_balance_hosts", "max_protocol_version"),
        *("min_protocol_version", "oauth_client_id", "oauth_client_secret", "oauth_issuer"),
        *("oauth_scope", "replication", "require_auth", "requirepeer", "requiressl"),
        *("scram_client_key", "scram_server_key", "servicefile", "sslcertmode", "sslcompression"),
        *("sslcrldir", "sslkeylogfile", "sslsni", "tcp_user_timeout"),
    )
)
"""Parameters of libpq (postgresql.org/docs/18/libpq-connect.html) that the driver does not have. It
takes the others itself, and gives a word that it does not know to the server as a setting."""


class PostgresUrl(NamedTuple):
    """A URL in two parts: for the driver, and for the service."""

    url: str
    connect_seconds: int | None
    """The deadline for connecting, if the URL has one."""
    ignored: list[str]
    """Parameters that have no effect."""
    has_application_name: bool


def read_url(url: str) -> PostgresUrl:
    """Raises DatabaseError for a connect_timeout that is no number."""
    parts = urlsplit(url)
    kept, ignored, connect_seconds, has_application_name = [], [], None, False
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if name == CONNECT_TIMEOUT:
            connect_seconds = _seconds(unquote(value))
        elif name in IGNORED:
            ignored.append(name)
        else:
            kept.append(pair)
            has_application_name |= name == "application_name"
    rest = urlunsplit(parts._replace(query="&".join(kept)))
    return PostgresUrl(rest, connect_seconds, ignored, has_application_name)


def _seconds(text: str) -> int | None:
    """As libpq reads it: 0 or less is no deadline, and the service then has its own."""
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise DatabaseError("DATABASE_URL: connect_timeout must be a whole number of seconds")
    return int(text) if int(text) > 0 else None
