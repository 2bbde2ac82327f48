"""From `:name`, as a file of SQL has it, to `$1`, as PostgreSQL's protocol does."""

import re
from functools import lru_cache
from typing import NamedTuple

_token = re.compile(
    r"""
      --[^\n]*                  # a comment
    | '(?:[^']|'')*'            # a string
    | "(?:[^"]|"")*"            # a name in quotes
    | ::                        # a cast of PostgreSQL's own
    | :(?P<name>[a-z][a-z0-9_]*)
    """,
    re.VERBOSE,
)


class Statement(NamedTuple):
    """One statement as the protocol takes it: `names[0]` is the value of `$1`."""

    sql: str
    names: tuple[str, ...]


@lru_cache(256)
def number_parameters(sql: str) -> Statement:
    """Write `$n` for each `:name`, the same number for the same name, in the order of first use.

    What stands in a comment, in a string or in a quoted name stays as it is.
    """
    numbers: dict[str, int] = {}

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    return Statement(_token.sub(replace, sql), tuple(numbers))
