"""From chunks to lines, of which no more than so many bytes are held."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Piece(NamedTuple):
    """A part of a line that is too long to be held."""

    content: bytes
    is_last: bool


def split(chunks: Iterable[bytes], line_bytes_max: int) -> Iterator[list[bytes] | Piece]:
    """Yield the lines, without their line feeds: for each chunk as many as it completes, or none.

    A longer line than `line_bytes_max` comes in pieces, unless its end comes with the chunk that
    makes it too long: then it is a line like the others, too long by a chunk at most.
    """
    rest = bytearray()
    is_in_pieces = False
    for chunk in chunks:
        *lines, last = chunk.split(b"\n")
        if not lines:
            rest += last
            yield []
        elif is_in_pieces:
            yield Piece(bytes(rest) + lines[0], is_last=True)
            is_in_pieces = False
            yield lines[1:]
            rest = bytearray(last)
        else:
            lines[0] = bytes(rest) + lines[0]
            yield lines
            rest = bytearray(last)
        if is_in_pieces or len(rest) > line_bytes_max:
            yield Piece(bytes(rest), is_last=False)
            rest = bytearray()
            is_in_pieces = True
    if is_in_pieces:
        yield Piece(b"", is_last=True)
    elif rest:
        yield [bytes(rest)]
