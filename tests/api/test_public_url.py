"""The URL that a sender called, behind proxies that are trusted or not."""

import ipaddress

import pytest

from service.api.caller import CallerReader
from service.api.webhooks.public_url import read_public_url

PROXY = "10.0.0.1"
CALLERS = CallerReader((ipaddress.ip_network("10.0.0.0/8"),))


def url(
    peer: str, *headers: tuple[str, str], query: str = "", configured: str | None = None
) -> str:
    scope = {
        "scheme": "http",
        "client": (peer, 1),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "raw_path": b"/webhook/twilio%20/",
        "query_string": query.encode(),
    }
    return read_public_url(scope, configured, CALLERS)


HOST = ("Host", "inside:8000")
HTTPS = ("X-Forwarded-Proto", "https")
FORWARDED = ("X-Forwarded-Host", "example.com")


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ([HOST], "http://inside:8000"),
        ([HOST, HTTPS], "https://inside:8000"),
        ([HOST, HTTPS, FORWARDED], "https://example.com"),
        ([FORWARDED, HOST, HTTPS, ("X-Forwarded-Port", "8443")], "https://example.com:8443"),
        ([HOST, FORWARDED, HTTPS, ("X-Forwarded-Port", "443")], "https://example.com"),
        ([HOST, FORWARDED, ("X-Forwarded-Port", "443")], "http://example.com:443"),
        ([HOST, ("X-Forwarded-Port", "1")], "http://inside:8000"),
        (
            [HOST, ("X-Forwarded-Host", "[::1]"), ("X-Forwarded-Port", "1")],
            "http://[::1]:1",
        ),
        ([HOST, ("X-Forwarded-Proto", "HTTPS, http"), ("X-Forwarded-Host", "a, b")], "https://a"),
        ([HOST, ("X-Forwarded-Host", "\u00e9")], "http://\u00e9"),
        ([], "http://"),
    ],
)
def test_trusted_proxies_are_believed(headers: list[tuple[str, str]], shown: str) -> None:
    assert url(PROXY, *headers) == f"{shown}/webhook/twilio%20/"
    assert url(f"::ffff:{PROXY}", *headers) == f"{shown}/webhook/twilio%20/"


@pytest.mark.parametrize("peer", ["192.0.2.1", "", "unix:"])
def test_nobody_else_is_believed(peer: str) -> None:
    headers = [HOST, HTTPS, FORWARDED, ("X-Forwarded-Port", "1")]
    assert url(peer, *headers) == "http://inside:8000/webhook/twilio%20/"


def test_the_query_is_part_of_it() -> None:
    assert url("", HOST, query="a=%20b").endswith("/webhook/twilio%20/?a=%20b")
    configured = "https://example.com/hooks"
    assert url("", HOST, configured=configured) == configured
    assert url(PROXY, HTTPS, query="a", configured=configured) == f"{configured}?a"
