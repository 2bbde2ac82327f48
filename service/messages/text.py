"""The text of a message, for searches."""


def fold(text: str) -> str:
    """`text` without its case, in every script: Unicode's full case folding.

    What is stored and what is searched for are folded here. Each character is folded by itself, so
    a part of a text stays a part of it.
    """
    return text.casefold()
