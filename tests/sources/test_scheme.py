"""A scheme's file: what it may say, and how the start refuses what it may not."""

import base64
import hmac
from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import Settings
from service.sources.request import Request
from service.sources.scheme import load_schemes
from service.sources.source import load_sources
from service.sources.templates import FACT_PARTS, SIGNED_PARTS, Part, parse_template
from tests.support.schemes import SCHEMES

ACME = """
page = "https://acme.example/webhooks"
id = "{header:X-Acme-Id}"
type = ["{json:kind}", "acme"]

[signature]
header = "X-Acme-Signature"
digest = "hmac-sha512"
encoding = "base64"
key = "hex"
signs = "{header:X-Acme-Id}:{timestamp}:{{}}:{url}:{body}"
timestamp = { header = "X-Acme-Time", unit = "ms", tolerance_seconds = 10 }

[answer]
body = "OK"
content_type = "text/plain"

[[vectors]]
secret = "00ff"
url = "https://example.com/webhook/acme"
now = 1.5
body_base64 = "aGVsbG8="
id = "a1"
type = "acme"

[vectors.headers]
X-Acme-Id = "a1"
X-Acme-Time = "1500"
X-Acme-Signature = "SIGNATURE"
"""


def write(folder: Path, text: str, name: str = "acme.toml") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder


def start(folder: Path) -> None:
    variables = {"SOURCE_SHOP_SECRET": "00ff", "SOURCE_SHOP_SCHEME": "acme"}
    load_sources(Settings.from_environment(variables | {"SCHEMES_FOLDER": str(folder)}))


def good() -> str:
    content = b"a1:1500:{}:https://example.com/webhook/acme:hello"
    digest = hmac.digest(bytes.fromhex("00ff"), content, "sha512")
    return ACME.replace("SIGNATURE", base64.b64encode(digest).decode())


def test_a_scheme_of_ones_own_is_one_file(tmp_path: Path) -> None:
    start(write(tmp_path, good()))
    assert load_schemes(tmp_path).keys() == SCHEMES.keys() | {"acme"}
    (tmp_path / "README.md").write_text("not a scheme")
    load_schemes(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('page = "https://acme.example/webhooks"', "", r"there must be a key `page`"),
        ("[answer]", "[answers]", r"there is no key `answers`"),
        ('body = "OK"', 'text = "OK"', r"answer: there is no key `text`"),
        ('id = "{header', 'name = "x"\nid = "{header', r"name is no key: the file's name .*"),
        ('"hmac-sha512"', '"md5"', r"signature.digest: must be one of hmac-sha1, .*, token"),
        ('"hex"', '"utf-8"', r"signature.key: must be one of text, hex, base64, whsec_, whpk_"),
        ('page = "', 'handshake = "x1"\npage = "', r"handshake: must be one of meta, .*, x"),
        ('header = "X-Acme-Signature"', 'header = "X Acme"', r"signature: 'X Acme' is not .*"),
        ("{url}", "{uri}", r"signature: \{uri\} is none of its parts: \{body\}, .*"),
        ("{url}", "{header}", r"signature: \{header\} is none of its parts: .*"),
        ("{url}", "{", r"signature: .*"),
        (":{body}", "", r"signature: signs must contain \{body\} or \{form\}"),
        ("{timestamp}:", "", r"signature: signs must contain \{timestamp\} where .*"),
        ('header = "X-Acme-Time", ', "", r"signature.timestamp: one of header, prefix and .*"),
        ('header = "X-Acme-Time"', 'prefix = "t="', r"signature: separator must split .*"),
        ("tolerance_seconds = 10", "tolerance_seconds = 0", r"signature.timestamp: tolerance_.*"),
        ("tolerance_seconds = 10", 'tolerance_seconds = "1"', r"signature.timestamp.tolerance_.*"),
        ('"hmac-sha512"', '"token"', r"signature: a token signs nothing: .*"),
        ('"hex"', '"whpk_"', r"signature: whpk_ is a key of ed25519"),
        ('{header:X-Acme-Id}"', '{body}"', r"id: \{body\} is none of its parts: .*"),
        ('["{json:kind}", "acme"]', '"{json}"', r"type: \{json\} is none of its parts: .*"),
        ('id = "{header:X-Acme-Id}"', "id = []", r"id must hold a template"),
        ('"aGVsbG8="', '"?"', r"vectors\[0\]: body_base64 must be base64"),
        ('body_base64 = "aGVsbG8="', "", r"vectors\[0\]: one of body and body_base64 .*"),
        ('secret = "00ff"', 'secret = "0"', r"vectors\[0\]: secret must be hexadecimal digits"),
        ('id = "a1"', 'id = "a2"', r"vectors\[0\]: its id is a1"),
        ('type = "acme"', 'type = "b"', r"vectors\[0\]: its type is acme"),
        ("now = 1.5", "now = 15", r"vectors\[0\]: the scheme refuses it: expired"),
        ('"aGVsbG8="', '"aGVsbG9u"', r"vectors\[0\]: the scheme refuses it: mismatch"),
        ("page = ", "page = = ", r"Invalid value \(at line 2, column 8\)"),
    ],
)
def test_a_bad_file_stops_the_start_with_its_name_key_and_rule(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in good()
    write(tmp_path, good().replace(old, new))
    with pytest.raises(SettingsError, match=rf"^SCHEMES_FOLDER: \S*acme.toml: {message}$"):
        start(tmp_path)


@pytest.mark.parametrize("name", ["Acme.toml", "a_b.toml", "a--b.toml", ".toml", "ä.toml"])
def test_a_file_has_a_name_that_a_variable_can_give(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"toml: the name must be lower-case letters and"):
        start(write(tmp_path, good(), name))


def test_a_shipped_scheme_is_not_redefined(tmp_path: Path) -> None:
    message = r"github.toml: github is a shipped scheme: choose another name$"
    with pytest.raises(SettingsError, match=message):
        start(write(tmp_path, good(), "github.toml"))


def test_what_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^SCHEMES_FOLDER must be a folder: \S+/absent$"):
        start(tmp_path / "absent")
    (tmp_path / "acme.toml").write_bytes(b"page = '\xff'")
    with pytest.raises(SettingsError, match=r"acme.toml: 'utf-8' codec can't decode"):
        start(tmp_path)
    (tmp_path / "acme.toml").unlink()
    (tmp_path / "acme.toml").mkdir()
    with pytest.raises(SettingsError, match=r"acme.toml: .*Is a directory"):
        start(tmp_path)


def test_a_template_is_literals_and_parts() -> None:
    assert parse_template("v0:{timestamp}{{}}{header:X-A}", SIGNED_PARTS) == (
        Part("literal", "v0:"),
        Part("timestamp", ""),
        Part("literal", "{"),
        Part("literal", "}"),
        Part("header", "X-A"),
    )
    assert parse_template("", FACT_PARTS) == ()
    for text in ("{}", "{body:x}", "{timestamp!r}", "{header:a b}", "{json:", "}", "{form}{x}"):
        with pytest.raises(ValueError, match=r"."):
            parse_template(text, SIGNED_PARTS)


def test_a_request_gives_every_value_of_a_header() -> None:
    request = Request([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")], "")
    assert request.values(b"a") == [b"1", b"3"]
