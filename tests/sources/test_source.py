"""Sources: what is verified, how an event is named, and what is kept of its headers."""

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from urllib.parse import urlencode

import pytest

from service.errors import SettingsError
from service.settings import Settings
from service.sources.fields import FORM_FIELDS_MAX, JsonPaths, read_form, split_form
from service.sources.identity import Identity
from service.sources.request import Request
from service.sources.signing import sign
from service.sources.source import Source, load_sources
from tests.support.schemes import SCHEMES, judge, make_keys, make_source, with_header

URL = "https://example.com/webhook"
SLACK = SCHEMES["slack"].vectors[1]


def request(*headers: tuple[str, str | bytes], url: str = URL) -> Request:
    raw = [
        (name.lower().encode(), value.encode() if isinstance(value, str) else value)
        for name, value in headers
    ]
    return Request(raw, url)


def identify(scheme: str, body: bytes, *headers: tuple[str, str | bytes]) -> Identity:
    return source_of(scheme).identify(request(*headers), body)


def source_of(scheme: str) -> Source:
    return make_source(scheme, make_keys(SCHEMES[scheme].signatures[0]).verifying)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


# The name of a failure


def test_the_failure_is_that_of_the_secret_that_came_furthest() -> None:
    secret = SLACK.secret.encode()
    for secrets in ((b"another", secret), (secret, b"another")):
        source = make_source("slack", *secrets)
        assert judge(source, SLACK.request, SLACK.body_bytes, SLACK.now + 301) == "expired"
        assert judge(source, SLACK.request, SLACK.body_bytes, SLACK.now - 301) == "future"
        assert judge(source, SLACK.request, b"{}", SLACK.now + 301) == "mismatch"


def test_a_timestamp_in_the_body_is_read_after_the_signature() -> None:
    [vector] = SCHEMES["linear"].vectors
    source = make_source("linear", vector.secret.encode())

    def verdict(stamp: str, now: float) -> int | str:
        body = b'{"webhookTimestamp":' + stamp.encode() + b"}"
        signed = with_header(vector.request, "Linear-Signature", hex_of(vector.secret, body))
        assert judge(source, vector.request, body, now) == "mismatch"
        return judge(source, signed, body, now)

    assert verdict("1676056940508", 1676056999) == verdict('"1676056940508"', 1676056999) == 0
    assert verdict("1676056940508", 1676057001) == "expired"
    assert verdict("1676056940508", 1676056880) == "future"
    assert verdict("1" + "0" * 30, 1676056999) == "future"
    assert (
        verdict("1.7e12", 0)
        == verdict("-5", 0)
        == verdict('"now"', 0)
        == verdict('""', 0)
        == "malformed"
    )
    assert verdict("null", 0) == verdict("[1]", 0) == "missing"
    assert verdict("[" * 5_000 + "]" * 5_000, 0) == "missing"


def hex_of(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), body, "sha256").hexdigest().encode()


def test_a_number_that_is_absurd_is_the_future_if_it_was_signed() -> None:
    stamp = "1" + "0" * 30
    signature = hex_of(SLACK.secret, f"v0:{stamp}:".encode() + SLACK.body_bytes)
    signed = with_header(SLACK.request, "X-Slack-Signature", b"v0=" + signature)
    signed = with_header(signed, "X-Slack-Request-Timestamp", stamp.encode())
    source = make_source("slack", SLACK.secret.encode())
    assert judge(source, signed, SLACK.body_bytes, SLACK.now) == "future"


def test_an_empty_body_can_be_signed() -> None:
    source = make_source("github", b"secret")
    signed = request(("X-Hub-Signature-256", b"sha256=" + hex_of("secret", b"")))
    assert source.verify(signed, b"", 0) == 0
    assert source.identify(signed, b"").event_id == sha256(b"")


# Forms


def test_a_form_is_read_as_the_standard_library_reads_it() -> None:
    fields = [
        ("a", "1"),
        ("b c", "+ü=&%"),
        ("\\x41\\", "\\u0041"),
        ("", "x"),
        ("a", ""),
        ("%", "%zz"),
    ]
    assert read_form(urlencode(fields).encode()) == [
        (name.encode(), value.encode()) for name, value in fields
    ]
    odd = b"a&=b&&c==d&%&%4&%zz=%4g&\xff=\x00&%00=%ff&e=\\x41%41"
    assert split_form(odd) == [
        ("a", ""),
        ("", "b"),
        ("c", "=d"),
        ("%", ""),
        ("%4", ""),
        ("%zz", "%4g"),
        ("\xff", "\0"),
        ("\0", "\xff"),
        ("e", "\\x41A"),
    ]


def test_a_form_of_ten_thousand_fields_is_verified_and_more_are_refused() -> None:
    form = b"&".join(b"field%d=%%2B%d" % (number, number) for number in range(10_000))
    secret, signed = sign_form(form)
    source = make_source("twilio", secret)
    before = time.process_time()
    assert source.verify(signed, form, 0) == 0
    assert source.identify(signed, form).event_id == sha256(form)
    assert time.process_time() - before < 0.5
    many = b"&" * FORM_FIELDS_MAX
    assert judge(source, signed, many, 0) == "malformed"
    assert source.identify(signed, many) == Identity(sha256(many), None, None)


def sign_form(form: bytes) -> tuple[bytes, Request]:
    headers = sign(SCHEMES["twilio"], b"secret", form, 0, "", URL)
    return b"secret", request(*headers.items())


def test_a_json_body_must_be_that_of_the_signed_url() -> None:
    vector = SCHEMES["twilio"].vectors[6]
    source = make_source("twilio", vector.secret.encode())
    assert source.verify(vector.request, vector.body_bytes, 0) == 0
    assert judge(source, vector.request, vector.body_bytes + b" ", 0) == "mismatch"
    bare = vector.url.partition("&bodySHA256")[0]
    for url in (bare, f"{bare}#&bodySHA256={sha256(b'{}')}", f"{bare}&bodySHA256={sha256(b'{}')}"):
        forged = vector.request._replace(url=url, query=f"bodySHA256={sha256(b'{}')}".encode())
        assert judge(source, forged, b"{}", 0) == "mismatch"


@pytest.mark.parametrize(
    "url", ["", "x", "http://", "https://[::1", "https://a:b:c/", "https://ü.example/🎉\ud800\n?#"]
)
def test_any_url_can_be_compared(url: str) -> None:
    source = make_source("twilio", b"secret")
    assert judge(source, request(("X-Twilio-Signature", "x" * 28), url=url), b"", 0) in (
        "malformed",
        "mismatch",
    )


# Names of events


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"id":',
        b'{"id":null,"type":true}',
        b'{"id":{"a":1},"type":[]}',
        b'{"id":"","type":""}',
        b'{"id":"\\ud800","text":"\\ud83d\\ude00"}',
        b'{"id":"\xff"}',
        b'{"id":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"x":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b',"id":"a"}',
        b"\xff" * 100,
    ],
)
def test_a_body_without_a_good_id_has_its_hash_and_a_problem(body: bytes) -> None:
    for scheme in ("stripe", "telnyx"):
        event_id, type_, problem = identify(scheme, body)
        assert event_id == sha256(body)
        assert type_ is None
        assert problem is not None
        assert "the body's SHA-256" in problem


@pytest.mark.parametrize("bad", ["x" * 256, "é" * 256, "a\0b"])
def test_an_id_that_no_database_takes_is_replaced(bad: str) -> None:
    body = json.dumps({"id": bad, "type": "t"}).encode()
    assert identify("stripe", body)[:2] == (sha256(body), "t")
    assert "the id ha" in (identify("stripe", body).problem or "")
    if "é" not in bad:
        assert identify("github", b"{}", ("X-GitHub-Delivery", bad)).event_id == sha256(b"{}")
    body = json.dumps({"id": "1", "type": bad}).encode()
    event_id, type_, problem = identify("stripe", body)
    assert (event_id, type_) == ("1", None)
    assert (problem or "").startswith("the type ha")


def test_an_id_is_the_text_or_the_number_as_it_is_written() -> None:
    assert identify("stripe", b'{"id":"x\\u00e9","type":"a"}') == ("x\u00e9", "a", None)
    assert identify("stripe", b'{"id":"x","text":"\\ud83d"}').event_id == "x"
    assert identify("stripe", b'{"id":1e3,"type":-5}')[:2] == ("1e3", "-5")
    assert identify("stripe", b'\xef\xbb\xbf{"id":"x"}') == ("x", None, None)
    long = b"9" * 255
    assert identify("stripe", b'{"id":%b}' % long).event_id == long.decode()
    assert identify("stripe", b'{"id":"1","id":"2"}').event_id == "2"


def test_a_header_that_is_there_twice_or_is_not_latin_1_names_an_event_or_does_not() -> None:
    name = "X-GitHub-Delivery"
    assert identify("github", b"", (name, "a"), (name, "b")).problem is not None
    assert identify("github", b"", (name, "ü".encode())).event_id == "ü".encode().decode("latin-1")
    assert identify("github", b"", (name, b"\xff\xfe")).event_id == "\xff\xfe"
    assert identify("github", b"", (name, "")).problem is not None


@pytest.mark.parametrize(
    ("scheme", "body", "headers", "event_id", "type_"),
    [
        ("twilio", b"MessageSid=SM1&SmsStatus=received", (), "SM1", "received"),
        ("twilio", b"MessageSid=SM1&MessageStatus=sent", (), "SM1-sent", "sent"),
        ("twilio", b"CallSid=CA1", (("I-Twilio-Idempotency-Token", "t1"),), "t1", None),
        ("twilio", b"CallSid=CA1&CallStatus=busy", (), None, "busy"),
        ("slack", b"trigger_id=1.2&command=%2Fgo", (), "1.2", "/go"),
        ("slack", b'{"type":"url_verification"}', (), None, "url_verification"),
        ("discord", b'{"id":"1","type":2}', (), "1", "2"),
        ("gitlab", b"", (("Idempotency-Key", "k"), ("X-Gitlab-Event-UUID", "u")), "k", None),
        ("telegram", b'{"update_id":7,"callback_query":{}}', (), "7", "callback_query"),
        ("telegram", b'{"update_id":7}', (), "7", None),
        ("whatsapp", b'{"entry":[]}', (), None, None),
        ("meta", b'{"object":"page","entry":[{"changes":[]}]}', (), None, "page"),
        ("x", b'{"data":{"event_type":"post.mention.create"}}', (), None, "post.mention.create"),
    ],
)
def test_each_provider_names_its_events_in_its_own_way(
    scheme: str,
    body: bytes,
    headers: Sequence[tuple[str, str]],
    event_id: str | None,
    type_: str | None,
) -> None:
    found = identify(scheme, body, *headers)
    assert found == (event_id or sha256(body), type_, None)


def test_json_is_read_along_paths_through_objects_and_lists() -> None:
    paths = JsonPaths(["a", "b.c", "b.d.1", "e.0.f", "e.1.f"])
    body = b'{"a":"x","b":{"c":1,"d":[5,6],"z":0},"e":[{"f":"y"},{"f":"z"}],"y":{}}'
    assert paths.read(body) == {"a": "x", "b.c": "1", "b.d.1": "6", "e.0.f": "y", "e.1.f": "z"}
    assert paths.read(b'{"a":"x","b":null,"e":[]}') == {"a": "x"}
    assert paths.read(b'{"a":"x","b":5}') == {}


# Headers that are kept


def test_headers_are_kept_without_signatures_and_credentials() -> None:
    source = source_of("gitlab")
    kept = source.kept_headers(
        request(
            ("X-Gitlab-Token", "secret"),
            ("webhook-signature", "v1,x"),
            ("X-Hub-Signature", "sha1=x"),
            ("Authorization", "Bearer x"),
            ("Proxy-Authorization", "x"),
            ("Cookie", "x"),
            ("Connection", "close"),
            ("Transfer-Encoding", "chunked"),
            ("X-Gitlab-Event", "Push Hook"),
            ("Accept", "a"),
            ("Accept", b"\xe9\0"),
        )
    )
    assert json.loads(kept) == {"x-gitlab-event": "Push Hook", "accept": "a, \xe9"}


# The environment


def settings(**variables: str) -> Settings:
    return Settings.from_environment(variables)


def test_a_source_has_the_scheme_of_its_name_or_of_its_variable() -> None:
    sources = load_sources(
        settings(
            SOURCE_GITHUB_SECRET="a",
            SOURCE_GITHUB_SECRET_PREVIOUS="b",
            SOURCE_MY_SHOP_SECRET="c",
            SOURCE_MY_SHOP_SCHEME="shopify",
        )
    )
    assert {name: source.scheme.name for name, source in sources.items()} == {
        "github": "github",
        "my-shop": "shopify",
    }
    assert sources["github"].secrets == (b"a", b"b")
    assert sources["github"].answer == (b'{"status":"ok"}', b"application/json")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SOURCE_ACME_SECRET": "a"}, r"SOURCE_ACME_SCHEME must be one of discord, github, .*"),
        (
            {"SOURCE_SVIX_SECRET": "a"},
            r"SOURCE_SVIX_SECRET must be whsec_ and base64, or whpk_ and base64",
        ),
        (
            {"SOURCE_SVIX_SECRET": "whsec_YQ==", "SOURCE_SVIX_SECRET_PREVIOUS": "whsec_"},
            r"SOURCE_SVIX_SECRET_PREVIOUS must be .*",
        ),
        (
            {"SOURCE_DISCORD_SECRET": "abcd"},
            r"SOURCE_DISCORD_SECRET must be the 32 bytes of a public key of Ed25519",
        ),
        ({"SOURCE_DISCORD_SECRET": "xyz"}, r"SOURCE_DISCORD_SECRET must be hexadecimal digits"),
        ({"SOURCE_TELNYX_SECRET": "xyz!"}, r"SOURCE_TELNYX_SECRET must be base64"),
    ],
)
def test_a_source_that_cannot_work_stops_the_start(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{message}$"):
        load_sources(settings(**variables))


def test_ed25519_asks_for_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    load_sources(settings(SOURCE_GITHUB_SECRET="a"))
    with pytest.raises(SettingsError, match=r"SOURCE_DISCORD_SECRET: .*webhook-service\[ed25519\]"):
        load_sources(settings(SOURCE_DISCORD_SECRET="ab" * 32))
