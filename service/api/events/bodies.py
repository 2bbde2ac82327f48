"""How an event's body stands in an answer: as the JSON that it is, or in base64."""

import base64

import msgspec

LEVELS_MAX = 60
"""How deep the JSON of a body may nest. Some parsers refuse a document of more than 64 levels,
and a page adds three: one body must not make a page unreadable."""

_square = bytes.maketrans(b"{}", b"[]")
_no_bracket = bytes(set(range(256)) - set(b"[]{}"))

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class EncodedBody(msgspec.Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """What stands for a body that is not given as JSON. No other object has this one key alone."""

    base64: str


class _LikeEncoded(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    base64: msgspec.Raw


_decode_like_encoded = msgspec.json.Decoder(_LikeEncoded).decode


def show_body(body: bytes) -> msgspec.Raw:
    """The body, byte for byte, if every parser reads it as JSON; else an `EncodedBody`.

    In base64 is also what JSON allows and common parsers refuse: a lone surrogate, a number beyond
    64-bit floating point, deep nesting. So is an object that could be taken for an `EncodedBody`.
    """
    if _is_plain_json(body):
        return msgspec.Raw(body)
    return encode_body(body)


def encode_body(body: bytes) -> msgspec.Raw:
    """The body in base64."""
    return msgspec.Raw(_encode(EncodedBody(base64.b64encode(body).decode())))


def find_encoded(json: bytes) -> msgspec.Raw | None:
    """The value of an object whose only key is `base64`, whatever it is; else None."""
    try:
        return _decode_like_encoded(json).base64
    except msgspec.ValidationError:
        return None


def _is_plain_json(body: bytes) -> bool:
    try:
        _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return not _nests_too_deep(body) and find_encoded(body) is None


def _nests_too_deep(json: bytes) -> bool:
    if json.count(b"[") + json.count(b"{") <= LEVELS_MAX:
        return False
    unescaped = json.replace(rb"\\", b"").replace(rb"\"", b"")
    outside_strings = b"".join(unescaped.split(b'"')[::2])
    brackets = outside_strings.translate(_square, _no_bracket)
    for _ in range(LEVELS_MAX):
        brackets = brackets.replace(b"[]", b"")  # the innermost level
    return bool(brackets)
