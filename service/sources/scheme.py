"""A scheme: how a provider signs, names and wants answered what it sends. Each is a TOML file.

`docs/sources.md` explains every key.
"""

import base64
import binascii
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from service.errors import SettingsError
from service.sources.request import Request
from service.sources.templates import FACT_PARTS, HEADER_NAME, SIGNED_PARTS, Part, parse_template

SHIPPED = Path(__file__).parent / "schemes"
_WORDS = (
    ("Object missing required field", "there must be a key"),
    ("Object contains unknown field", "there is no key"),
)
"""What the decoder says, in the words of a TOML file."""
SCHEME_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file. A ValueError of `__post_init__` is shown with the table's name."""


class Timestamp(Table, frozen=True):
    """When the provider signed. One of `header`, `prefix` and `json` says where that is written."""

    header: str | None = None
    prefix: str | None = None
    json: str | None = None
    unit: Literal["s", "ms", "rfc3339"] = "s"
    tolerance_seconds: int = 300

    def __post_init__(self) -> None:
        if sum(place is not None for place in (self.header, self.prefix, self.json)) != 1:
            raise ValueError("one of header, prefix and json must say where the timestamp is")
        _check_header(self.header)
        if self.tolerance_seconds < 1:
            raise ValueError("tolerance_seconds must be at least 1")


class Signature(Table, frozen=True):
    """One way to sign. The header is split at `separator`; the parts with `prefix` are tried."""

    header: str
    digest: Literal["hmac-sha1", "hmac-sha256", "hmac-sha512", "ed25519", "token"]
    key: Literal["text", "hex", "base64", "whsec_", "whpk_"] = "text"
    encoding: Literal["hex", "base64"] = "hex"
    separator: str = ""
    prefix: str = ""
    prefix_is_optional: bool = False
    signs: str = "{body}"
    body_sha256_parameter: str | None = None
    timestamp: Timestamp | None = None

    def __post_init__(self) -> None:
        _check_header(self.header)
        kinds = {part.kind for part in self.signed_parts}
        if self.digest == "token":
            if self.timestamp or self.signs != "{body}":
                raise ValueError("a token signs nothing: signs and timestamp must be left out")
        elif not kinds & {"body", "form"}:
            raise ValueError("signs must contain {body} or {form}")
        is_beside_body = self.timestamp is not None and self.timestamp.json is None
        if is_beside_body != ("timestamp" in kinds):
            raise ValueError("signs must contain {timestamp} where header or prefix give it")
        if self.timestamp and self.timestamp.prefix is not None and not self.separator:
            raise ValueError("separator must split the timestamp from the signature")
        if (self.key == "whpk_") > (self.digest == "ed25519"):
            raise ValueError("whpk_ is a key of ed25519")

    @property
    def signed_parts(self) -> tuple[Part, ...]:
        return parse_template(self.signs, SIGNED_PARTS)


class Answer(Table, frozen=True):
    """The body of the 200, and its content type."""

    body: str = '{"status":"ok"}'
    content_type: str = "application/json"


class Example(Table, frozen=True):
    """What `send` sends: `$id`, `$number`, `$type`, `$now`, `$now_ms` and `$$` are replaced.

    `$id` is a new UUID, and `$number` a new whole number for bodies whose id is one.
    """

    body: str = '{"id":"$id","type":"$type"}'
    type: str = ""
    content_type: str = "application/json"


class Vector(Table, frozen=True):
    """A request that the scheme must accept at `now`, with the id and the type it must find."""

    secret: str
    headers: dict[str, str]
    body: str | None = None
    body_base64: str | None = None
    url: str = "https://example.com/webhook"
    now: float = 0
    id: str | None = None
    type: str | None = None

    def __post_init__(self) -> None:
        if (self.body is None) is (self.body_base64 is None):
            raise ValueError("one of body and body_base64 must hold the body")
        try:
            _ = self.body_bytes
        except binascii.Error:
            raise ValueError("body_base64 must be base64") from None

    @property
    def request(self) -> Request:
        headers = [(name.lower().encode(), text.encode()) for name, text in self.headers.items()]
        return Request(headers, self.url, self.url.partition("?")[2].encode())

    @property
    def body_bytes(self) -> bytes:
        if self.body is not None:
            return self.body.encode()
        return base64.b64decode(self.body_base64 or "", validate=True)


class Scheme(Table, frozen=True):
    """The whole file. `name` is the file's name."""

    name: str
    page: str
    signature: Signature | list[Signature]
    id: str | list[str]
    type: str | list[str] = []
    answer: Answer = Answer()
    handshake: Literal["meta", "slack", "twitch", "zoom", "discord", "x"] | None = None
    messages: Literal["twilio", "whatsapp", "telnyx"] | None = None
    example: Example = Example()
    vectors: list[Vector] = []

    def __post_init__(self) -> None:
        if not self.signatures:
            raise ValueError("signature must hold a table")
        if not self.id_parts:
            raise ValueError("id must hold a template")
        _ = self.type_parts

    @property
    def signatures(self) -> list[Signature]:
        """Each whose `key` a secret can be is tried; one good signature is enough."""
        return [self.signature] if isinstance(self.signature, Signature) else self.signature

    @property
    def is_asymmetric(self) -> bool:
        """Whether every secret is a public key: the provider signs with a private one."""
        return all(each.digest == "ed25519" for each in self.signatures)

    @property
    def id_parts(self) -> list[tuple[Part, ...]]:
        """The first template whose parts are all there gives the id."""
        return _parse_facts("id", self.id)

    @property
    def type_parts(self) -> list[tuple[Part, ...]]:
        return _parse_facts("type", self.type)


def load_schemes(folder: Path | None) -> dict[str, Scheme]:
    """The shipped schemes and those of `folder`, by name.

    Raises SettingsError, which names the file, the key and the rule. A file of `folder` must not
    have the name of a shipped scheme: what a name means is the same everywhere.
    """
    schemes = {path.stem: load_scheme(path) for path in _find_files(SHIPPED)}
    if folder is None:
        return schemes
    if not folder.is_dir():
        raise SettingsError(f"SCHEMES_FOLDER must be a folder: {folder}")
    for path in _find_files(folder):
        if path.stem in schemes:
            raise SettingsError(
                f"SCHEMES_FOLDER: {path}: {path.stem} is a shipped scheme: choose another name"
            )
        schemes[path.stem] = load_scheme(path)
    return schemes


def load_scheme(path: Path) -> Scheme:
    """The scheme in this file. Raises SettingsError."""
    try:
        if not re.fullmatch(SCHEME_NAME, path.stem):
            raise ValueError("the name must be lower-case letters and digits, with single hyphens")
        table: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        if "name" in table:
            raise ValueError("name is no key: the file's name is the scheme's")
        return msgspec.convert(table | {"name": path.stem}, Scheme)
    except msgspec.ValidationError as error:
        rule, _, place = str(error).partition(" - at `$.")
        key = place.rstrip("`")
        if rule.startswith("Invalid enum value"):
            rule = f"must be one of {', '.join(_list_choices(key.rpartition('.')[2]))}"
        for theirs, ours in _WORDS:
            rule = rule.replace(theirs, ours)
        where = f"{key}: " if key else ""
        raise SettingsError(f"SCHEMES_FOLDER: {path}: {where}{rule}") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"SCHEMES_FOLDER: {path}: {error}") from None


def _list_choices(key: str) -> list[str]:
    """What the value of a key may be, where that is not free."""
    types = [
        field.type
        for table in (Timestamp, Signature, Scheme)
        for field in msgspec.structs.fields(table)
        if field.name == key
    ]
    types += [each for type_ in types for each in get_args(type_)]
    return [value for type_ in types for value in get_args(type_) if isinstance(value, str)]


def _find_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.toml"))


def _check_header(name: str | None) -> None:
    if name is not None and not re.fullmatch(HEADER_NAME, name):
        raise ValueError(f"{name!r} is not the name of a header")


def _parse_facts(key: str, templates: str | list[str]) -> list[tuple[Part, ...]]:
    try:
        given = [templates] if isinstance(templates, str) else templates
        return [parse_template(template, FACT_PARTS) for template in given]
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
