"""The text of a message, for searches."""

import re
from itertools import accumulate
from unicodedata import combining, normalize

FOLDING = 2
"""The version of `fold`. The first start with another one folds all stored texts again."""

RUN_CHARACTERS = 100
"""So many combining marks in a row may take `normalize` too long."""

_dotted_i = re.compile("i\u0307+")
_mark = re.compile(r"[^\w\s\x00-\x7f]")
"""A character that may be a combining mark: no letter, no digit, no space, and not ASCII."""
_long_run = re.compile(f"{_mark.pattern}{{{RUN_CHARACTERS},}}")


def fold(text: str) -> str:
    """What a search compares: `text` without case, in Unicode's composed form (NFC).

    A text matches if its folded form contains that of the search. The Turkish İ and dotless i are
    the letter i. An accented letter is another letter than the plain one. A combining mark that no
    letter composes with stays a character of its own.
    """
    if text.isascii():
        return text.lower()
    # A long run has a mark at one of these places.
    if len(text) > RUN_CHARACTERS and _mark.search(text[::RUN_CHARACTERS]):
        text = _long_run.sub(_order_marks, text)
    # Full case folding writes İ as i and U+0307, and a few letters in parts.
    folded = normalize("NFC", text).casefold().replace("\u0131", "i")
    if "i\u0307" in folded:
        folded = _dotted_i.sub("i", folded)
    return normalize("NFC", folded)


def fold_if_other(text: str | None) -> str | None:
    """What is stored beside `text`: its folded form, or None if that is the text itself."""
    if text is None:
        return None
    folded = fold(text)
    return None if folded == text else folded


def _order_marks(run: re.Match[str]) -> str:
    """The marks of each letter in canonical order: an equivalent text.

    `normalize` orders them, too, but its time grows with the square of their number: 4,096 marks
    took 40 ms, in which no webhook is answered.
    """
    parts = [part for character in run[0] for part in normalize("NFD", character)]
    classes = [combining(part) for part in parts]
    letters = accumulate(each == 0 for each in classes)
    ordered = sorted(zip(letters, classes, parts, strict=True), key=lambda each: each[:2])
    return "".join(part for _, _, part in ordered)
