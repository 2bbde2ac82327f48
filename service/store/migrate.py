"""Which migrations a database still needs: their files, and the rules that keep them honest.

Files are named `NNNN_what_it_does.sql`, numbered from 0001 without a gap, and never edited once
they have run somewhere: each database keeps the digest of what it was given.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from service.errors import DatabaseError
from service.messages.text import FOLDING

WILL_FOLD = (
    "fold_texts",
    "an older version folded the texts for `q` in another way: they are folded again first",
)
"""The warning of a start that takes longer than others: (event, message)."""

_name_of_file = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")


class Migration(NamedTuple):
    """One file of `sql/<dialect>/migrations/`."""

    number: int
    name: str
    digest: str
    sql: str


def load_migrations(folder: Path) -> list[Migration]:
    """All migrations in their order; raises DatabaseError where a name or a number is wrong."""
    migrations = [_load(file) for file in sorted(folder.iterdir())]
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise DatabaseError(
                f"{folder}: {migration.name} should have the number {expected:04d}:"
                " migrations are numbered from 0001, without a gap or a repetition"
            )
    return migrations


def choose_pending(
    known: list[Migration], applied: Iterable[tuple[int, str, str]]
) -> list[Migration]:
    """The migrations that still have to run; `applied` is (number, name, digest) of those that did.

    Raises DatabaseError where the database is newer than this code, or a file was edited since.
    """
    done = 0
    for done, (number, name, digest) in enumerate(applied, start=1):
        if number > len(known):
            raise DatabaseError(
                f"the database is from a newer version of the service, which ran {name}:"
                " start that version, or a later one"
            )
        if number != done:
            raise DatabaseError(
                f"the database had {name} without {known[done - 1].name} before it:"
                " somebody changed its table of migrations, so restore a backup"
            )
        if digest != known[number - 1].digest:
            raise DatabaseError(
                f"{known[number - 1].name} is not what this database was given ({name}):"
                " restore the file, and make the change in a new migration"
            )
    return known[done:]


def require_current(known: list[Migration], applied: Iterable[tuple[int, str, str]]) -> None:
    """Raise DatabaseError where the database is older or newer than this code."""
    if pending := choose_pending(known, applied):
        raise DatabaseError(
            f"{pending[0].name} has not run there: run `python -m service migrate` first"
        )


def require_folded(version: int) -> None:
    """Raise DatabaseError where texts have been through another version of `fold`."""
    if version != FOLDING:
        raise DatabaseError(
            "its texts have not been folded again since an upgrade:"
            " run `python -m service migrate` first"
        )


def _load(file: Path) -> Migration:
    match = _name_of_file.fullmatch(file.name)
    if match is None:
        raise DatabaseError(f"{file}: a migration is named NNNN_what_it_does.sql")
    sql = file.read_text("utf-8")
    return Migration(int(match[1]), file.name, hashlib.sha256(sql.encode()).hexdigest(), sql)
