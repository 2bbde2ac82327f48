"""The parameters of libpq in DATABASE_URL."""

from pathlib import Path

import pytest

from service.errors import DatabaseError
from service.store.postgres.url import PostgresUrl, read_url
from tests.support.postgres.suite import empty_database
from tests.support.processes import serving
from tests.support.service import message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://h/d", PostgresUrl("postgresql://h/d", None, [], False)),
        (
            "postgresql://h/d?channel_binding=require&sslmode=prefer&connect_timeout=5",
            PostgresUrl("postgresql://h/d?sslmode=prefer", 5, ["channel_binding"], False),
        ),
        ("postgresql://h/d?connect_timeout=0", PostgresUrl("postgresql://h/d", None, [], False)),
        (
            "postgresql://u:p@h/d?application_name=a%20b",
            PostgresUrl("postgresql://u:p@h/d?application_name=a%20b", None, [], True),
        ),
    ],
)
def test_a_url_is_read(url: str, expected: PostgresUrl) -> None:
    assert read_url(url) == expected


def test_a_timeout_that_is_no_number_is_refused() -> None:
    with pytest.raises(DatabaseError, match="connect_timeout must be a whole number of seconds"):
        read_url("postgresql://h/d?connect_timeout=soon")


def test_a_url_of_a_provider_starts_and_is_told(tmp_path: Path) -> None:
    with empty_database(trigrams=False) as url:
        parameters = "&" if "?" in url else "?"
        parameters += (
            "channel_binding=prefer&connect_timeout=5&keepalives_idle=30&application_name=mine"
        )
        with serving(tmp_path, DATABASE_URL=url + parameters, ALLOW_ASYNC_COMMIT="1") as process:
            assert process.deliver(message()).status_code == 200
            (line,) = process.log_lines("database_url")
    assert line["level"] == "WARNING"
    assert line["message"] == "without effect in DATABASE_URL: channel_binding, keepalives_idle"
