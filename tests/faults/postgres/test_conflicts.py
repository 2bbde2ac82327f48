"""A batch that the server ends in favour of another transaction is tried again as a whole."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service.store.interface import Outcome
from service.store.postgres.store import PostgresStore
from tests.store.messages import message as stored
from tests.support.postgres.databases import connected
from tests.support.postgres.server import Server
from tests.support.processes import ServiceProcess
from tests.support.service import message

pytestmark = pytest.mark.anyio

ROUNDS = 30
BATCH = 200


async def test_batches_that_overlap_in_opposite_orders(
    durable_server: Server, database: str
) -> None:
    """Two instances store the same messages in opposite orders: no deadlock, no duplicate."""
    url = durable_server.url(database)
    stores = [PostgresStore(url), PostgresStore(url)]
    outcomes: Counter[Outcome] = Counter()
    try:
        await stores[0].open()
        await stores[1].open()
        for number in range(ROUNDS):
            batch = [stored(f"{number}-{each:03}") for each in range(BATCH)]
            shuffled = random.Random(number).sample(batch, BATCH)
            for found in await asyncio.gather(
                stores[0].insert(batch),
                stores[1].insert(batch[::-1]),
                stores[0].insert(shuffled),
                stores[1].insert(batch[: BATCH // 2]),
            ):
                outcomes.update(found)
        totals = await stores[1].totals()
    finally:
        for store in stores:
            await store.close()
    assert outcomes[Outcome.CREATED] == ROUNDS * BATCH == totals.messages
    assert outcomes[Outcome.CONFLICT] == 0
    rows = durable_server.admin("SELECT datname, deadlocks FROM pg_stat_database")
    assert {row["datname"]: row["deadlocks"] for row in rows}[database] == 0


@contextmanager
def giving_up(url: str, code: str, times: int) -> Iterator[None]:
    """The first transactions that insert a message fail with this code."""
    with connected(url) as run:
        run("CREATE SEQUENCE attempts")  # a rollback does not undo its count
        run(
            "CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF nextval('attempts') <= {times} THEN"
            f" RAISE EXCEPTION 'given up' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$;"
            " CREATE TRIGGER give_up AFTER INSERT ON messages"
            " FOR EACH STATEMENT EXECUTE FUNCTION give_up()"
        )
        yield
        run("DROP FUNCTION give_up CASCADE; DROP SEQUENCE attempts")


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_batch_that_was_given_up_is_tried_again(
    durable_server: Server, database: str, process: ServiceProcess, code: str
) -> None:
    with giving_up(durable_server.url(database), code, times=2):
        assert process.deliver(message()).status_code == 200
        assert process.deliver(message()).status_code == 200
    assert process.get("/messages").json()["total"] == 1
    assert process.log_lines("commit_failed") == []
    process.wait_for_line("request", lambda line: line.get("dup") is False)
    process.wait_for_line("request", lambda line: line.get("dup") is True)


def test_a_batch_that_is_given_up_every_time_is_refused(
    durable_server: Server, database: str, process: ServiceProcess
) -> None:
    with giving_up(durable_server.url(database), "40001", times=5):
        assert process.deliver(message()).status_code == 503
        assert process.deliver(message()).status_code == 200
    assert process.get("/messages").json()["total"] == 1
