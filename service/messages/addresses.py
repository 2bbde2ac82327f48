"""Addresses: who sends a message, and who gets it. Each is a pattern, and its rule in words."""

import re

E164 = r"\A\+[1-9][0-9]{1,14}\Z"
E164_RULE = "an E.164 number: +, then 2 to 15 digits, the first not 0"

ADDRESS = (
    r"\A(?:\+[1-9][0-9]{1,14}|[0-9]{3,8}"
    r"|(?![+ ]|[0-9]+\Z)[^\u0000-\u001F\u007F]{1,64})\Z"
)
"""What messaging providers send. A number without its + is a mistake, and no name."""

ADDRESS_RULE = (
    f"{E164_RULE}; or a short code of 3 to 8 digits; or a name of 1 to 64 characters, not digits"
    " alone, without control characters, that begins with neither + nor a space"
)

_is_address = re.compile(ADDRESS).match
_has_lone_surrogate = re.compile("[\ud800-\udfff]").search


def is_address(text: str) -> bool:
    """Whether the text is an ADDRESS that a database can store: without a lone surrogate."""
    return _is_address(text) is not None and _has_lone_surrogate(text) is None
