"""Templates: text with {parts}, which say what is signed and what identifies an event."""

import re
import string
from collections.abc import Collection
from typing import NamedTuple

SIGNED_PARTS = ("body", "timestamp", "url", "form", "header:NAME")
FACT_PARTS = ("header:NAME", "json:PATH", "form:FIELD", "key_beside:KEY", "sha256")

HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""A token (RFC 9110, 5.6.2)."""


class Part(NamedTuple):
    """`argument` is the text of a literal, or what follows the colon."""

    kind: str
    argument: str


def parse_template(text: str, known: Collection[str]) -> tuple[Part, ...]:
    """The parts of `text`; `{{` is a brace. `known` is SIGNED_PARTS or FACT_PARTS.

    Raises ValueError with the rule that the text breaks.
    """
    parts: list[Part] = []
    for literal, kind, argument, conversion in string.Formatter().parse(text):
        if literal:
            parts.append(Part("literal", literal))
        if kind is not None:
            full_kind = f"{kind}!{conversion}" if conversion else kind
            parts.append(_check(Part(full_kind, argument or ""), known))
    return tuple(parts)


def _check(part: Part, known: Collection[str]) -> Part:
    kinds = {name.partition(":")[0]: ":" in name for name in known}
    if kinds.get(part.kind) is not bool(part.argument):
        parts = ", ".join(f"{{{name}}}" for name in known)
        raise ValueError(f"{{{part.kind}}} is none of its parts: {parts}")
    if part.kind == "header" and not re.fullmatch(HEADER_NAME, part.argument):
        raise ValueError(f"{part.argument!r} is not the name of a header")
    return part
