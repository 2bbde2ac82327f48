"""A connection in use: parameters by name, transactions, instants as integers."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from service.store.interface import INSTANT_MAX, INSTANT_MIN
from service.store.postgres.parameters import number_parameters

EPOCH_2000 = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01, the service from 1970-01-01."""


class Connection:
    """A connection of a pool, while its user has it."""

    def __init__(self, driver_connection: Any, is_pooled: bool) -> None:
        """`is_pooled`: a pooler stands between the service and the server."""
        self._connection = driver_connection
        self._is_pooled = is_pooled

    async def fetch(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """The rows of one statement. It uses those of the parameters that it names."""
        statement = number_parameters(sql)
        values = [(parameters or {})[name] for name in statement.names]
        async with self._transaction_of_one():
            rows: list[Any] = await self._connection.fetch(statement.sql, *values)
        return rows

    async def run_script(self, sql: str) -> None:
        """Several statements without parameters."""
        await self._connection.execute(sql)

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """All statements inside take effect, or none."""
        return self._connection.transaction()  # type: ignore[no-any-return]

    def snapshot(self) -> AbstractAsyncContextManager[Any]:
        """All statements inside see the same messages."""
        return self._connection.transaction(  # type: ignore[no-any-return]
            isolation="repeatable_read", readonly=True
        )

    def _transaction_of_one(self) -> AbstractAsyncContextManager[Any]:
        """A pooler keeps the steps of one statement on one connection only inside a transaction."""
        if self._is_pooled and not self._connection.is_in_transaction():
            return self.transaction()
        return nullcontext()


async def convert_instants(driver_connection: Any) -> None:
    """Have a connection take and give `timestamptz` as microseconds since 1970."""
    await driver_connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=_encode_instant,
        decoder=_decode_instant,
        format="tuple",
    )


def _encode_instant(microseconds: int) -> tuple[int]:
    if microseconds in (INSTANT_MIN, INSTANT_MAX):  # PostgreSQL's -infinity and infinity
        return (microseconds,)
    return (microseconds - EPOCH_2000,)


def _decode_instant(value: tuple[int]) -> int:
    return value[0] + EPOCH_2000
