"""What the workbench wants to know of a dialect's SQL, whatever the database."""

from pathlib import Path
from typing import NamedTuple, Protocol


class Unavailable(Exception):
    """There is no such database here; the text says why."""


class Query(NamedTuple):
    """One file of `queries/`, as the database understands it."""

    name: str
    text: str
    parameters: list[str]
    """Without the colon, in the order of their first use."""
    columns: list[str]
    plan: str
    """The database's plan as a tree of lines; empty where no table is read."""


class Broken(NamedTuple):
    """One file of `queries/` that the database refuses."""

    name: str
    reason: str


class Described(NamedTuple):
    """A dialect's whole folder."""

    schema: str
    """The text of `schema.sql`."""
    indexes: frozenset[str]
    """Those with names of our own."""
    answers: list[Query | Broken]

    @property
    def queries(self) -> list[Query]:
        return [answer for answer in self.answers if isinstance(answer, Query)]

    @property
    def broken(self) -> list[Broken]:
        return [answer for answer in self.answers if isinstance(answer, Broken)]


class Dialect(Protocol):
    """One database; the next one goes beside it, into `DIALECTS` of `__main__`."""

    name: str
    """The folder under `sql/`."""

    @property
    def version(self) -> str: ...

    def describe(self, folder: Path) -> Described:
        """Build a database by the migrations, and ask it about every query.

        Raises Unavailable where there is none here; DatabaseError, or the driver's own error,
        where the database can't be built.
        """
        ...
