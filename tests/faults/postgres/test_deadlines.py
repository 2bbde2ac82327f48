"""A statement that takes too long is cancelled on the server too, and delays no other."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from service.store.interface import PROOF_SECONDS
from service.store.postgres.store import COMMIT_SECONDS_MAX, READERS
from service.store.queries import sql_folder
from tests.faults.load import Load
from tests.faults.postgres.watching import BACK_SECONDS_MAX, Watch
from tests.support.postgres.databases import connected
from tests.support.postgres.server import Server
from tests.support.processes import ServiceProcess
from tests.support.service import encode, message, signed, wait_until

SEARCH = "/messages?q=hello"
READY = "/health/ready"
PROBE_SECONDS = 1
TIMEOUT_SECONDS = 1


@contextmanager
def locked(server: Server, database: str, table: str, mode: str) -> Iterator[None]:
    with connected(server.url(database)) as run:
        run("BEGIN")
        run(f"LOCK TABLE {table} IN {mode} MODE")
        yield
        run("ROLLBACK")


def active(server: Server, database: str, query: str) -> list[str]:
    """The processes of the server that run one of the service's queries."""
    first_line = (sql_folder("postgres") / "queries" / f"{query}.sql").read_text().split("\n")[0]
    rows = server.admin("SELECT pid, datname, query FROM pg_stat_activity WHERE state = 'active'")
    return [
        f"{pid}: {query}"
        for pid, name, query in rows
        if name == database and query.startswith(first_line)
    ]


def impatient(server: Server, database: str, folder: Path) -> ServiceProcess:
    environment = {"QUERY_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS)}
    return ServiceProcess(folder, environment | {"DATABASE_URL": server.url(database)})


def test_a_search_that_is_stopped_is_stopped_on_the_server(
    durable_server: Server, database: str, tmp_path: Path
) -> None:
    with impatient(durable_server, database, tmp_path) as process:
        assert process.deliver(message()).status_code == 200
        with locked(durable_server, database, "texts", "ACCESS EXCLUSIVE"):
            for _ in range(3):  # one more than there are connections for searches
                status, seconds = Watch(process).ask(SEARCH)[SEARCH]
                assert status == 503
                assert TIMEOUT_SECONDS <= seconds < TIMEOUT_SECONDS + 0.5
            wait_until(lambda: not active(durable_server, database, "page_by_text"))
        status, seconds = Watch(process).ask(SEARCH)[SEARCH]
        assert status == 200
        assert seconds < TIMEOUT_SECONDS


def test_a_hundred_searches_that_hang_do_not_stop_webhooks(
    durable_server: Server, database: str, tmp_path: Path
) -> None:
    with (
        impatient(durable_server, database, tmp_path) as process,
        locked(durable_server, database, "texts", "ACCESS EXCLUSIVE"),
        Load([process.port], 4, "beside", pause_seconds=0.005) as load,
    ):
        load.wait_for(10)
        paths = [f"{SEARCH}{number}" for number in range(100)]
        began = len(load.deliveries)
        for status, seconds in Watch(process).ask(*paths).values():
            assert status == 503
            assert seconds < TIMEOUT_SECONDS + 1
        beside = sorted(each.seconds for each in load.deliveries[began:])
        assert {each.status for each in load.deliveries} == {200}
        assert Watch(process).ask("/stats")["/stats"][0] == 200
    print(f"p99 of {len(beside)} beside 100 searches: {beside[int(len(beside) * 0.99)]:.3f} s")
    assert len(beside) > 50
    assert beside[int(len(beside) * 0.99)] < 1


def test_slow_reads_do_not_make_the_probe_red(
    durable_server: Server, database: str, process: ServiceProcess
) -> None:
    """More reads hang than have connections; the probe has a connection of its own."""
    with (
        locked(durable_server, database, "messages", "ACCESS EXCLUSIVE"),
        ThreadPoolExecutor() as threads,
    ):
        paths = [f"/messages?offset={number}&total=false" for number in range(20)]
        reads = threads.submit(Watch(process).ask, *paths)
        wait_until(lambda: len(active(durable_server, database, "page_by_ts")) == READERS)
        for _ in range(3):
            status, seconds = Watch(process).ask(READY)[READY]
            assert status == 200
            assert seconds < PROBE_SECONDS
            time.sleep(PROBE_SECONDS)  # an answer holds for so long
        assert not reads.done()
        assert {status for status, _ in reads.result().values()} == {503}


def test_a_probe_whose_write_hangs_is_green_as_long_as_batches_are_stored(
    durable_server: Server, database: str, process: ServiceProcess
) -> None:
    """A slow disk delays the probe's write and batches alike; here the write waits for a lock."""
    watch = Watch(process)
    with locked(durable_server, database, "probe", "EXCLUSIVE"):
        with Load([process.port], 4, "proof") as load:
            load.wait_for(4)
            for _ in range(3):
                assert watch.ask(READY)[READY][0] == 200
                time.sleep(PROBE_SECONDS)
        assert watch.wait_for(READY, 503) < PROOF_SECONDS + 2 * PROBE_SECONDS
    assert watch.wait_for(READY, 200) < BACK_SECONDS_MAX


def test_a_batch_that_waits_for_a_lock_is_given_up_in_time(
    durable_server: Server, database: str, process: ServiceProcess
) -> None:
    with locked(durable_server, database, "messages", "EXCLUSIVE"):
        began = time.monotonic()
        body = encode(message(message_id="late"))
        response = process.request(
            "POST", "/webhook", content=body, headers=signed(body), timeout=30
        )
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "1"
        assert process.get("/stats").json()["total_messages"] == 0
        assert COMMIT_SECONDS_MAX <= time.monotonic() - began < COMMIT_SECONDS_MAX + 1
        wait_until(lambda: not active(durable_server, database, "insert_messages"))
    assert process.get("/messages").json()["data"] == []
    assert process.deliver(message(message_id="late")).status_code == 200
