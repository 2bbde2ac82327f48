"""The text of a message, for searches."""

from unicodedata import normalize

FOLDING = 2
"""The version of `fold`. The first start with another one folds all stored texts again."""


def fold(text: str) -> str:
    """What a search compares: `text` without case, in Unicode's composed form (NFC).

    A text matches if its folded form contains that of the search. The Turkish İ and dotless i are
    the letter i. An accented letter is another letter than the plain one. A combining mark that no
    letter composes with stays a character of its own.
    """
    if text.isascii():
        return text.lower()
    # Full case folding writes İ as i and U+0307, and a few letters in parts.
    folded = normalize("NFC", text).casefold().replace("\u0131", "i")
    while "i\u0307" in folded:
        folded = folded.replace("i\u0307", "i")
    return normalize("NFC", folded)


def fold_if_other(text: str | None) -> str | None:
    """What is stored beside `text`: its folded form, or None if that is the text itself."""
    if text is None:
        return None
    folded = fold(text)
    return None if folded == text else folded
