"""What every database must do for the service. `tests/store/` is its specification."""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from service.messages.event import Event
from service.messages.message import Message

INSTANT_MIN = -(2**63)
INSTANT_MAX = 2**63 - 1


PROBE_SECONDS = 0.8
"""`Store.check` answers within this time."""

PROOF_SECONDS = 5.0
"""A batch that was stored so recently proves that the database stores."""


Warn = Callable[[str, str], None]
"""Logs a warning: (event, message)."""


def ignore_warning(_event: str, _message: str) -> None:
    """A `Warn` for commands, whose standard output is no log."""


class StoreError(Exception):
    """The database did not do it; nothing of it is half done. The text holds no message's data."""


class StoreDamaged(StoreError):
    """The file is no database, or not a whole one; waiting mends nothing."""


class DiskFailed(StoreError):
    """A read, a write or a sync failed.

    After a failed sync, earlier writes may be lost, even if the next sync succeeds (Rebello et al.,
    Can Applications Recover from fsync Failures?, USENIX ATC 2020).
    """


class DatabaseLocked(StoreError):
    """Another program holds the lock; it is worth trying again."""


class QueryTimeout(StoreError):
    """A read was stopped because it took too long; nothing is wrong with the database."""


class DatabaseSilent(StoreError):
    """The database did not answer in time; whoever is next would wait as long."""


class Outcome(Enum):
    """What became of a message or an event that is now on stable storage."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """A duplicate whose other fields (of an event: whose body) differ; the first one stays."""


class Position(NamedTuple):
    """A place in the order of all messages: (`ts` in microseconds since 1970, `message_id`)."""

    ts: int
    message_id: str


class Filter(NamedTuple):
    """Which messages: each part narrows the choice, and a neutral value does not."""

    from_msisdn: str | None = None
    to_msisdn: str | None = None
    since: int = INSTANT_MIN
    until: int = INSTANT_MAX
    q_folded: str = ""
    """A part of the text, folded by `messages.text.fold`."""
    message_id: str | None = None
    is_descending: bool = False
    """Not a choice, but the order of the pages: latest first."""


class Row(NamedTuple):
    """One stored message, `ts` in microseconds since 1970."""

    message_id: str
    from_msisdn: str
    to_msisdn: str
    ts: int
    text: str | None


class Totals(NamedTuple):
    """What `GET /stats` tells, from one snapshot."""

    messages: int
    senders: int
    first_ts: int | None
    last_ts: int | None
    top_senders: list[tuple[str, int]]


class EventPosition(NamedTuple):
    """A place in the order of all events: by `received_at`, then by source and id."""

    received_at: int
    source: str
    event_id: str


class EventFilter(NamedTuple):
    """Which events: each part narrows the choice, and a neutral value does not."""

    source: str | None = None
    type: str | None = None
    has_problem: bool | None = None
    since: int = INSTANT_MIN
    until: int = INSTANT_MAX
    """`since` <= `received_at` < `until`."""
    is_descending: bool = False


class EventRow(NamedTuple):
    """One stored event: the fields of an `Event`."""

    source: str
    event_id: str
    type: str | None
    received_at: int
    headers: str
    content_type: str | None
    body: bytes
    problem: str | None
    message_ids: tuple[str, ...]
    """The messages that it brought, also by `resolve`."""

    @property
    def position(self) -> EventPosition:
        return EventPosition(self.received_at, self.source, self.event_id)


class EventPage(NamedTuple):
    """Some events in order."""

    rows: list[EventRow]
    has_more: bool
    """Whether more events follow. A page that bodies made short is not the last one."""


class SourceTotals(NamedTuple):
    """What is stored of one source."""

    source: str
    event_count: int
    problem_count: int
    last_received_at: int | None
    """None if others have deleted its events."""


class Mended(NamedTuple):
    """An event whose problem is solved, and the messages that it holds."""

    source: str
    event_id: str
    messages: Sequence[Message]

    def list_message_ids(self) -> list[str]:
        """The ids of the messages."""
        return [message.message_id for message in self.messages]


class Reader(Protocol):
    """One database, open to be read. Its methods raise StoreError when it does not answer."""

    async def page(
        self,
        chosen: Filter,
        after: Position | None,
        offset: int,
        limit: int,
        seconds_max: float = math.inf,
    ) -> list[Row]:
        """At most `limit` messages behind `after`, in order, past the first `offset` of them.

        Raises QueryTimeout where it takes longer than `seconds_max`, or than any read may.
        """
        ...

    async def events(
        self, chosen: EventFilter, after: EventPosition | None, limit: int, bytes_max: int
    ) -> EventPage:
        """At most `limit` events after `after`, in order; fewer where the bodies of more would have
        over `bytes_max` bytes, but at least one.

        A walk gives no event twice, and every event that was there when it began and was not
        deleted: an event never moves. One that is stored later may lie before the walk's place, as
        the clocks of instances differ, and imports bring old events.
        """
        ...

    async def event(self, source: str, event_id: str) -> EventRow | None:
        """The event of this name."""
        ...

    async def event_of_message(self, message_id: str) -> tuple[str, str] | None:
        """(source, event_id) of a stored event that brought this message."""
        ...

    async def source_totals(self) -> list[SourceTotals]:
        """The kept counts of each source, ordered by its name."""
        ...

    async def close(self) -> None:
        """Release the database; safe to call twice."""
        ...


class Store(Reader, Protocol):
    """One database, open to store messages as well."""

    batches_in_flight: int
    """How many calls of `insert` may be under way at a time."""

    async def open(self) -> None:
        """Make what is not there, migrate, and prove that the database reads and writes.

        Raises DatabaseError, which names the database and what is wrong with it.
        """
        ...

    @property
    def engine(self) -> str:
        """The database's name and version, known when it is open."""
        ...

    def warnings(self) -> Sequence[tuple[str, str]]:
        """What an operator should know of this database, once open: (event, message)."""
        ...

    async def insert(
        self, messages: Sequence[Message], events: Sequence[Event] = ()
    ) -> list[Outcome]:
        """Store what is not there yet, in one transaction that is durable when this returns.

        The messages of an event are stored if the event is new. Gives one outcome a message, then
        one an event, in their order; none for the messages of events.
        """
        ...

    async def resolve(self, mended: Sequence[Mended]) -> list[Outcome]:
        """Clear the problems of events, and store their messages as theirs, in one transaction.

        Gives one outcome for each message, in order. An event that is not there is passed over, and
        its messages are stored.
        """
        ...

    async def index_all(self) -> None:
        """Return when all that is stored by now is found and counted as fast as it can be."""
        ...

    async def reindex(self) -> None:
        """Make the index and all counts again, also while others use them."""
        ...

    def messages_behind(self) -> int:
        """About how many messages are stored and found, and not indexed or not counted yet."""
        ...

    def checkpoint_blocked_seconds(self) -> float:
        """For how long another program has kept the WAL from being checkpointed; 0 if none does."""
        ...

    def database_bytes(self) -> Mapping[str, int]:
        """How much the database takes, by part: those of `metrics.DATABASE_FILES`."""
        ...

    async def page_and_count(
        self, chosen: Filter, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """The page, and how many messages `chosen` has in all, from one snapshot."""
        ...

    async def totals(self) -> Totals:
        """The kept counts."""
        ...

    async def check(self) -> None:
        """Raises StoreError when the database does not read and store.

        It answers within PROBE_SECONDS, whatever reads are under way. A batch that was stored in
        the last PROOF_SECONDS proves that it stores: a busy writer is none that fails.
        """
        ...
