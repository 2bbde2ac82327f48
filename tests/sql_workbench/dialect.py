"""What the workbench asks every dialect."""

from pathlib import Path
from typing import NamedTuple, Protocol


class Unavailable(Exception):
    """This database can't run here; the text says why."""


class Query(NamedTuple):
    """One file of `queries/`, as the database understands it."""

    name: str
    text: str
    parameters: list[str]
    """Without the colon, in the order of their first use."""
    columns: list[str]
    plan: str
    """The database's plan as a tree of lines; empty if the query reads no table."""


class Broken(NamedTuple):
    """One file of `queries/` that the database refuses."""

    name: str
    reason: str


class Described(NamedTuple):
    """A dialect's whole folder."""

    schema: str
    """The text of `schema.sql`."""
    indexes: frozenset[str]
    """The names of the indexes that the SQL files create."""
    answers: list[Query | Broken]

    @property
    def queries(self) -> list[Query]:
        return [answer for answer in self.answers if isinstance(answer, Query)]

    @property
    def broken(self) -> list[Broken]:
        return [answer for answer in self.answers if isinstance(answer, Broken)]


class Dialect(Protocol):
    """One database. `DIALECTS` in `__main__` lists them."""

    name: str
    """The folder under `sql/`."""

    @property
    def version(self) -> str: ...

    def describe(self, folder: Path) -> Described:
        """Build a database with the migrations, and ask it about every query.

        Raises Unavailable if it can't run here; DatabaseError, or the driver's own error, if the
        database can't be built.
        """
        ...
