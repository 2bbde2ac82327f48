"""Texts: the one folding of what is stored and of what is searched."""


def fold(text: str) -> str:
    """`text` without its case, for every script: Unicode's full case folding.

    The one folding of the service: of what is stored and of what is searched. It folds character
    by character, so that a part of a text stays a part of it.
    """
    return text.casefold()
