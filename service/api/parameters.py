"""The parameters of a query string, and the filter of messages that some of them make.

`GET /messages`, its export and the command `export` read their filters here.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

from service.errors import InvalidParameter
from service.messages.addresses import ADDRESS_RULE, is_address
from service.messages.instants import RFC3339, RFC3339_RULE, parse_instant
from service.messages.message import RULES, TEXT_CHARACTERS_MAX, is_message_id
from service.messages.text import fold
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter
from service.variables import whole_number

T = TypeVar("T")

LIMIT_MAX = 100
LIMIT_DEFAULT = 50

FILTERS = ("message_id", "from", "to", "since", "until", "q")
Q_RULE = f"1 to {TEXT_CHARACTERS_MAX:,} characters in UTF-8, none of them U+0000"

_stray_percent_sign = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def split_query(query_string: bytes, names: Collection[str]) -> dict[str, str]:
    """The parameters by name. Each must be one of `names`, and be given once.

    An empty cursor is none. Raises InvalidParameter.
    """
    try:
        refuse_stray_percent_sign(query_string)
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidParameter(
            "the query string must be percent-encoded UTF-8 (a % is written %25)"
        ) from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            raise InvalidParameter(f"there are no parameters but {', '.join(names)}")
        if name in given:
            raise InvalidParameter(f"{name} must not be given twice")
        given[name] = value
    if given.get("cursor") == "":
        del given["cursor"]
    return given


def refuse_stray_percent_sign(encoded: bytes) -> None:
    """Raises ValueError if a % escapes nothing: urllib reads it as a percent sign."""
    if _stray_percent_sign.search(encoded):
        raise ValueError


def read(
    given: Mapping[str, str], name: str, default: T, parse: Callable[[str], T], rule: str
) -> T:
    """The value of one parameter. `parse` raises ValueError for a text that breaks the rule.

    Raises InvalidParameter, which names the parameter and its rule.
    """
    if name not in given:
        return default
    try:
        return parse(given[name])
    except ValueError:
        raise InvalidParameter(f"{name} must be {rule}") from None


def read_filter(given: Mapping[str, str]) -> Filter:
    """The filter that the parameters FILTERS make.

    Raises InvalidParameter, which names the parameter and its rule.
    """
    since, until = read_range(given)
    return Filter(
        from_msisdn=read(given, "from", None, _address, ADDRESS_RULE),
        to_msisdn=read(given, "to", None, _address, ADDRESS_RULE),
        since=since,
        until=until,
        q_folded=read(given, "q", "", _search, Q_RULE),
        message_id=read(given, "message_id", None, parse_message_id, RULES["message_id"]),
    )


def read_range(given: Mapping[str, str]) -> tuple[int, int]:
    """The instants `since` and `until`. Raises InvalidParameter."""
    return (
        read(given, "since", INSTANT_MIN, _instant, RFC3339_RULE),
        read(given, "until", INSTANT_MAX, _instant, RFC3339_RULE),
    )


def read_limit(given: Mapping[str, str]) -> int:
    """How much a page may have. Raises InvalidParameter."""
    rule = f"a whole number from 1 to {LIMIT_MAX}"
    return read(given, "limit", LIMIT_DEFAULT, whole_number(1, LIMIT_MAX), rule)


def read_is_descending(given: Mapping[str, str]) -> bool:
    """Whether `order` is `desc`. Raises InvalidParameter."""
    return read(given, "order", False, _descends, "asc or desc")


def parse_message_id(text: str) -> str:
    """Raises ValueError for a text that is no message's id."""
    if not is_message_id(text):
        raise ValueError
    return text


def parse_text(text: str, characters_max: int) -> str:
    """Raises ValueError for a text that is empty, too long, holds U+0000 or is not Unicode."""
    if not 1 <= len(text) <= characters_max or "\0" in text:
        raise ValueError
    text.encode()  # raises UnicodeEncodeError if the command line is not UTF-8
    return text


def boolean(text: str) -> bool:
    """Raises ValueError for any text but `true` and `false`."""
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _descends(text: str) -> bool:
    if text not in ("asc", "desc"):
        raise ValueError
    return text == "desc"


def _address(text: str) -> str:
    # In a query string an unescaped + means a space. No address begins with one.
    address = "+" + text[1:] if text.startswith(" ") else text
    if not is_address(address):
        raise ValueError
    return address


def _instant(text: str) -> int:
    # An unescaped + of the offset, as above.
    text = text.replace(" ", "+")
    if not re.match(RFC3339, text):
        raise ValueError
    return parse_instant(text)


def _search(text: str) -> str:
    return fold(parse_text(text, TEXT_CHARACTERS_MAX))
