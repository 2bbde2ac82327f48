"""Writing to a descriptor that may take only a part at a time."""

import os
import select


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however long it takes. Raises OSError when the reader has gone.

    It waits also where the descriptor does not block. No buffer keeps a rest that an interrupted
    command would still have to write.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
