"""The environment, read once into one frozen struct.

`VARIABLES` lists every variable, but for those of sources. A test holds the README's table equal to
it.
"""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

from service.errors import SettingsError
from service.source_settings import SourceSettings, read_sources
from service.variables import Secret, Variable, read_variable, secret, whole_number

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
POSTGRES_SCHEMES = ("postgresql://", "postgres://")
PORT_MAX = 65_535
POSTGRES_HOST = r"(\[[^][]+\]|[^][:,]*)(:(?!0)[0-9]{1,5})?"

ONE_PROCESS = (
    "WORKERS must be 1 or unset, because one process is one service:"
    " for more, run more instances on one PostgreSQL database, behind a load balancer"
)


class SqliteFile(msgspec.Struct, frozen=True):
    """A SQLite database."""

    path: Path


class PostgresServer(msgspec.Struct, frozen=True):
    """A PostgreSQL database. The URL may hold a password."""

    url: Secret


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The checked settings. Create them with `from_environment`."""

    webhook_secret: Secret | None = None
    webhook_secret_previous: Secret | None = None
    database: SqliteFile | PostgresServer = SqliteFile(Path("data/app.db"))
    log_level: str = "INFO"
    logs_probes: bool = True
    host: str = "127.0.0.1"
    port: int = 8000
    keep_alive_seconds: int = 75
    stop_delay_seconds: int = 0
    trusted_proxies: tuple[Network, ...] = ()
    body_bytes_max: int = 1_048_576
    queue_messages_max: int = 10_000
    query_timeout_seconds: int = 5
    allows_async_commit: bool = False
    read_token: Secret | None = None
    sources: tuple[SourceSettings, ...] = ()
    schemes_folder: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read every variable. An empty one counts as unset, a blank one is wrong.

        Raises SettingsError, which names the variable and what it takes, and never shows a secret.
        """
        if environment.get("WORKERS") not in (None, "", "1"):
            raise SettingsError(ONE_PROCESS)
        given = {
            variable.field: read_variable(environment, name, variable)
            for name, variable in VARIABLES.items()
        }
        values = {field: value for field, value in given.items() if value is not None}
        return cls(sources=read_sources(environment), **values)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The secrets that may sign a webhook; none while WEBHOOK_SECRET is unset."""
        if self.webhook_secret is None:
            return ()
        if self.webhook_secret_previous is None:
            return (self.webhook_secret,)
        return (self.webhook_secret, self.webhook_secret_previous)

    @property
    def is_open_to_the_network(self) -> bool:
        """Whether other machines can reach the port."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True


def _token(text: str) -> Secret:
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", text):
        raise ValueError
    return Secret(text.encode())


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError
    return text == "1"


def _log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise ValueError
    return text.upper()


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(","))


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", text):
        raise ValueError
    return text


def _database(url: str) -> SqliteFile | PostgresServer:
    if url.startswith(POSTGRES_SCHEMES):
        return PostgresServer(_postgres_url(url))
    return SqliteFile(_sqlite_path(url))


def _postgres_url(url: str) -> Secret:
    """Check the URL strictly.

    After an unencoded character in a password, the rest of the password would be read as a host, a
    port or a database, and appear in errors.
    """
    parts = urlsplit(url)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    if (
        "@" in userinfo
        or not re.fullmatch(rf"{POSTGRES_HOST}(,{POSTGRES_HOST})*", hosts)
        or any(int(port) > PORT_MAX for port in re.findall(r":([0-9]+)(?=,|$)", hosts))
        or not re.fullmatch(r"/[^/@]+", parts.path)
        or re.search(r"[\s\0]", url)
    ):
        raise ValueError
    return Secret(url.encode())


def _sqlite_path(url: str) -> Path:
    prefix, path = url[: len("sqlite:///")], url[len("sqlite:///") :]
    if prefix != "sqlite:///" or path.endswith("/") or re.search(r"[?#\0]|\A(:memory:)?\Z", path):
        raise ValueError
    return Path(path)


VARIABLES = {
    "WEBHOOK_SECRET": Variable("webhook_secret", secret, "a secret", has_file=True),
    "WEBHOOK_SECRET_PREVIOUS": Variable(
        "webhook_secret_previous", secret, "a secret", has_file=True
    ),
    "SCHEMES_FOLDER": Variable("schemes_folder", Path, "a folder that holds TOML files"),
    "DATABASE_URL": Variable(
        "database",
        _database,
        "sqlite:///relative/path or sqlite:////absolute/path of a file,"
        " or postgresql://user:password@host:port/database, with every character of the password"
        " that is not a letter or digit written as %XX",
        has_file=True,
    ),
    "LOG_LEVEL": Variable("log_level", _log_level, "one of " + ", ".join(LOG_LEVELS)),
    "LOG_PROBES": Variable("logs_probes", _boolean, "true or false"),
    "HOST": Variable("host", _host, "a host name or an IP address"),
    "PORT": Variable("port", whole_number(0, 65_535), "a whole number from 0 to 65535"),
    "KEEP_ALIVE_SECONDS": Variable(
        "keep_alive_seconds", whole_number(1, 86_400), "a whole number of seconds from 1 to 86400"
    ),
    "STOP_DELAY_SECONDS": Variable(
        "stop_delay_seconds", whole_number(0, 3_600), "a whole number of seconds from 0 to 3600"
    ),
    "TRUSTED_PROXIES": Variable(
        "trusted_proxies",
        _networks,
        "IP addresses or networks (10.0.0.0/8), separated by commas",
    ),
    "MAX_BODY_BYTES": Variable(
        "body_bytes_max", whole_number(1, 2**31), "a whole number of bytes from 1 to 2147483648"
    ),
    "QUEUE_LIMIT": Variable(
        "queue_messages_max",
        whole_number(1, 10_000_000),
        "a whole number of messages from 1 to 10000000",
    ),
    "QUERY_TIMEOUT_SECONDS": Variable(
        "query_timeout_seconds",
        whole_number(1, 3_600),
        "a whole number of seconds from 1 to 3600",
    ),
    "ALLOW_ASYNC_COMMIT": Variable("allows_async_commit", _flag, "1, or 0, which is the default"),
    "READ_TOKEN": Variable(
        "read_token",
        _token,
        "a bearer token (RFC 6750): letters, digits and -._~+/, then any =",
        has_file=True,
    ),
}
