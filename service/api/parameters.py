"""Which messages? The parameters of a query string, and those of them that filter.

`GET /messages`, its export and the command line read them here, so that they mean the same.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

from service.errors import InvalidParameter
from service.messages.instants import RFC3339_RULE, RFC3339_UTC, parse_instant
from service.messages.message import E164, E164_RULE, TEXT_CHARACTERS_MAX
from service.messages.text import fold
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter

T = TypeVar("T")

FILTERS = ("from", "to", "since", "until", "q")
Q_RULE = f"1 to {TEXT_CHARACTERS_MAX:,} characters in UTF-8, none of them U+0000"

_stray_percent_sign = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def split_query(query_string: bytes, names: Collection[str]) -> dict[str, str]:
    """The parameters by their names, each of which must be one of `names` and come once.

    Raises InvalidParameter.
    """
    try:
        # parse_qsl would take a % that escapes nothing for itself: another search than was meant.
        if _stray_percent_sign.search(query_string):
            raise ValueError
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
    return given


def read_filter(given: Mapping[str, str]) -> Filter:
    """The filter that the parameters FILTERS make.

    Raises InvalidParameter, which names the parameter.
    """
    return Filter(
        from_msisdn=read(given, "from", None, _number_of_phone, E164_RULE),
        to_msisdn=read(given, "to", None, _number_of_phone, E164_RULE),
        since=read(given, "since", INSTANT_MIN, _instant, RFC3339_RULE),
        until=read(given, "until", INSTANT_MAX, _instant, RFC3339_RULE),
        q_folded=read(given, "q", "", _search, Q_RULE),
    )


def read(
    given: Mapping[str, str], name: str, default: T, parse: Callable[[str], T], takes: str
) -> T:
    """One parameter, where it is given; `parse` raises ValueError for what it does not take.

    Raises InvalidParameter, which names the parameter and what it takes.
    """
    if name not in given:
        return default
    try:
        return parse(given[name])
    except ValueError:
        raise InvalidParameter(f"{name} must be {takes}") from None


def _number_of_phone(text: str) -> str:
    # In a query string an unescaped + means a space.
    number = "+" + text[1:] if text.startswith(" ") else text
    if not re.match(E164, number):
        raise ValueError
    return number


def _instant(text: str) -> int:
    if not re.match(RFC3339_UTC, text):
        raise ValueError
    return parse_instant(text)


def _search(text: str) -> str:
    if not 1 <= len(text) <= TEXT_CHARACTERS_MAX or "\0" in text:
        raise ValueError
    text.encode()  # of a command line that is not UTF-8, it raises UnicodeEncodeError
    return fold(text)
