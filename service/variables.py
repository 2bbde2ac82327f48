"""How a variable of the environment is read: its value, or the file that holds it."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from service.errors import SettingsError

FILE_SUFFIX = "_FILE"
AROUND_VALUES = " \t\r\n\v\f\N{BYTE ORDER MARK}"
"""Removed from both ends of every value: editors, `echo` and file formats add them."""


class Secret(bytes):
    """Bytes whose `repr` and `str` hide them."""

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


class Variable(NamedTuple):
    """A variable: its field in Settings, its parser, and what it takes, for the error."""

    field: str
    parse: Callable[[str], Any]
    takes: str
    has_file: bool = False


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A parser of decimal digits for a number from `least` to `most`.

    The parser raises ValueError for any other text.
    """

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return parse


def secret(text: str) -> Secret:
    return Secret(text.encode("utf-8", "surrogateescape"))


def read_variable(environment: Mapping[str, str], name: str, variable: Variable) -> Any:
    text = environment.get(name, "")
    if variable.has_file and environment.get(name + FILE_SUFFIX):
        if text:
            raise SettingsError(f"{name} and {name}{FILE_SUFFIX} are both set: keep one of them")
        name, text = name + FILE_SUFFIX, _read_file(name + FILE_SUFFIX, environment)
    if not text:
        return None
    value = text.strip(AROUND_VALUES)
    try:
        if not value:
            raise ValueError
        return variable.parse(value)
    except ValueError:
        blank = "" if value else ", and not only white space"
        raise SettingsError(f"{name} must be {variable.takes}{blank}") from None


def _read_file(name: str, environment: Mapping[str, str]) -> str:
    """The content of a NAME_FILE's file."""
    path = Path(environment[name].strip(AROUND_VALUES))
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise SettingsError(f"{name} must be a readable file: {path}: {reason}") from None
    if not text.strip(AROUND_VALUES):
        raise SettingsError(f"{name} must be a file that holds the value: {path} is empty")
    return text
