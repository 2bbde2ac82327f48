"""Fields of a body: of a form, and of JSON along given paths."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from service.messages.message import mend

T = TypeVar("T")

FORM_FIELDS_MAX = 10_000
"""A form with more is refused before it is read: a stranger may have sent it."""

_ABSENT = msgspec.Raw()
_decode_text = msgspec.json.Decoder(str).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_form(body: bytes) -> list[tuple[bytes, bytes]]:
    """The decoded names and values of `application/x-www-form-urlencoded`, in their order.

    Raises ValueError if there are more than FORM_FIELDS_MAX.
    """
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in split_form(body)]


def split_form(body: bytes) -> list[tuple[str, str]]:
    """The same with a character of Latin-1 for each byte, which is faster."""
    if body.count(b"&") >= FORM_FIELDS_MAX:
        raise ValueError(f"a form has at most {FORM_FIELDS_MAX} fields")
    pairs = []
    for field in body.decode("latin-1").replace("+", " ").split("&"):
        if field:
            name, _, value = field.partition("=")
            if "%" in field:
                name, value = _unquote(name), _unquote(value)
            pairs.append((name, value))
    return pairs


def _unquote(text: str) -> str:
    """Decode %XX by the codec of Python's own escapes: it takes as long for one as for hundreds."""
    if "%" not in text:
        return text
    escaped = text.replace("\\", r"\\").replace("%", r"\x").encode("latin-1")
    try:
        return escaped.decode("unicode_escape")
    except UnicodeDecodeError:  # a % without two hexadecimal digits
        return unquote_to_bytes(text.encode("latin-1")).decode("latin-1")


class JsonPaths:
    """Reads what lies at some paths (`data.id`, `entry.0.id`) and skips the rest of the body."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._steps = {path: path.split(".") for path in paths}
        tree: dict[str, Any] = {}
        for steps in self._steps.values():
            node = tree
            for step in steps:
                node = node.setdefault("0" if step.isdecimal() else step, {})
        self._decode = msgspec.json.Decoder(_make_type(tree)).decode

    def read(self, body: bytes) -> dict[str, str]:
        """The text of each string and number that is there. Of no JSON: nothing."""
        if not self._steps:
            return {}
        root = _decode_or_mend(self._decode, body)
        found = {path: _read_text(_walk(root, steps)) for path, steps in self._steps.items()}
        return {path: text for path, text in found.items() if text is not None}


def find_key_beside(key: str, body: bytes) -> str | None:
    """The first key of a JSON object other than `key`."""
    keys = _decode_or_mend(_decode_object, body) or {}
    return next((each for each in keys if each != key), None)


def _decode_or_mend(decode: Callable[[bytes], T], body: bytes) -> T | None:
    """None if the body is no JSON. A lone surrogate anywhere in it does no harm."""
    try:
        return decode(body)
    except _NOT_JSON:
        pass
    try:
        return decode(mend(body))
    except _NOT_JSON:
        return None


def _make_type(tree: dict[str, Any]) -> Any:
    """A type whose decoder builds what is on the paths only."""
    if not tree:
        return msgspec.Raw
    if list(tree) == ["0"]:
        return list[_make_type(tree["0"])] | None  # type: ignore[misc]
    fields = [
        (f"at_{number}", _make_type(branch), None if branch else _ABSENT)
        for number, branch in enumerate(tree.values())
    ]
    names = {f"at_{number}": key for number, key in enumerate(tree)}
    by_key = {key: name for name, key in names.items()}
    return msgspec.defstruct("Node", fields, rename=names, namespace={"by_key": by_key}) | None


def _walk(node: Any, steps: Iterable[str]) -> msgspec.Raw:
    for step in steps:
        if isinstance(node, list):
            node = node[int(step)] if int(step) < len(node) else None
        elif node is not None:
            node = getattr(node, node.by_key[step])
    return _ABSENT if node is None else node


def _read_text(raw: msgspec.Raw) -> str | None:
    written = bytes(raw)
    if written[:1] == b'"':
        try:
            return _decode_text(written)
        except _NOT_JSON:
            return None
    # A number as it is written. There is no text in null, true, false, objects and lists.
    return written.decode() if written[:1] in b"-0123456789" and written else None
