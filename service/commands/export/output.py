"""The output of an export: a file that appears when it is whole, or one that exists already."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from service.commands import compression
from service.commands.export.arguments import STANDARD_OUTPUT
from service.store.disk import sync_folder
from service.telemetry.output import write_whole

Write = Callable[[bytes], object]


@contextmanager
def writing(output: str) -> Iterator[Write]:
    """A function that writes to `output`, compressed as its suffix says. Raises OSError.

    A file appears after the `with` block, and only if the block raises nothing.
    """
    if output == STANDARD_OUTPUT:
        yield partial(write_whole, 1)
        return
    with (
        _opened(Path(output).resolve()) as descriptor,  # replaces the target of a link
        open(descriptor, "wb", closefd=False) as file,
        compression.writing(file, output) as compressed,
    ):
        yield compressed.write


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The descriptor of a new file that becomes `path` at the end; of `path` if it is no file."""
    is_replaced = path.is_file() or not path.exists()
    target = path.with_name(f".export-{secrets.token_hex(8)}.part") if is_replaced else path
    descriptor = _create(target, like=path) if is_replaced else os.open(path, os.O_WRONLY)
    try:
        yield descriptor
        if is_replaced:
            os.fsync(descriptor)
            target.replace(path)
            sync_folder(path.parent)
    except BaseException:
        if is_replaced:
            target.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _create(path: Path, like: Path) -> int:
    """The descriptor of a new file, with the permissions of the file that it will replace."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    if like.exists():
        os.fchmod(descriptor, like.stat().st_mode & 0o777)
    return descriptor
