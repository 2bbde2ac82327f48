"""Several hosts in a URL."""

import pytest

from service.store.postgres.server import put_last


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://a:b@one/app", "postgresql://a:b@one/app"),
        ("postgresql://one:1,two:2/app?x=y", "postgresql://two:2,one:1/app?x=y"),
        ("postgresql://a:b,c@one,two:2,three/app", "postgresql://a:b,c@two:2,three,one/app"),
        ("postgresql:///app?host=one,two", "postgresql:///app?host=one,two"),
    ],
)
def test_the_first_host_becomes_the_last(url: str, expected: str) -> None:
    assert put_last(url) == expected
