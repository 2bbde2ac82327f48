"""Kills PostgreSQL under load again and again, deletes rows, and looks for every other message."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from tests.faults.ledger import Act, Ledger
from tests.faults.load import Load
from tests.faults.postgres.stored import find_damage, is_indexed, not_indexed, stored_ids
from tests.faults.recovery import Unreadable, look
from tests.support.postgres.server import Server
from tests.support.processes import ServiceProcess, run_service
from tests.support.service import Json, wait_until

DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
"""PostgreSQL's defaults, which the tests' other servers turn off."""

SENDERS = 8
LOAD_SECONDS = (0.2, 1.5)
"""How long each server runs under load, at random."""

DOWN_SECONDS = (0, 0.3)

DELETIONS = (
    "from_msisdn = '+491700000001'",
    "ts < (SELECT min(ts) + interval '100 seconds' FROM messages)",
    "message_id LIKE '%7'",
)
"""Rows that are deleted by SQL after a crash."""

REPEATED = 3
"""So many of them are sent again."""


class Crashes(msgspec.Struct, kw_only=True, frozen=True):
    """The result of a load over several crashes."""

    crashes: int
    deliveries: int
    acknowledged: int
    """Messages; some of them several times."""
    refused: int
    """Deliveries that got 503."""
    unanswered: int
    """Deliveries that got another answer, or none."""
    lost: list[str]
    twice: list[str]
    complaints: list[str]
    slowest_seconds: float
    """The longest wait of a sender for an answer."""
    back_seconds: float
    """The longest time from a server that accepts connections again to the next 200."""
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.unanswered or self.lost or self.twice or self.complaints)


def crash(
    server: Server,
    folder: Path,
    crashes: int,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> Crashes:
    """Kill `server` so many times, under the load of a service with its files in `folder`."""
    chance, began = random.Random(seed), time.monotonic()
    name = f"crashes_{seed}"
    server.create_database(name)
    server.admin("CREATE EXTENSION IF NOT EXISTS pg_trgm", name)
    environment = {"DATABASE_URL": server.url(name)}
    with ServiceProcess(folder, environment) as process, ExitStack() as held:
        back: list[float] = []
        with Load([process.port], SENDERS, "crash") as load:
            ledger = Ledger(load)
            for _ in range(crashes):
                load.wait_for(1)
                time.sleep(chance.uniform(*LOAD_SECONDS))
                server.kill()
                time.sleep(chance.uniform(*DOWN_SECONDS))
                server.start()
                back.append(_wait_for_200(load))
                _delete(server, name, chance.choice(DELETIONS), load, ledger)
                advance()
            reindexed = run_service(["reindex"], environment)
            assert reindexed.returncode == 0, reindexed.stderr
            held.enter_context(not_indexed(server.url(name)))
            load.wait_for(100)
        wait_until(lambda: process.get("/health/ready").status_code == 200)

        def indexed() -> bool:
            held.close()
            return is_indexed(server, name)

        complaints = list(find_damage(server, name))
        if is_indexed(server, name):
            complaints.append("nothing was pending, so the test does not show that reads add it")
        try:
            listed, wrong = look(process, indexed, ledger.promise().sent)
        except Unreadable as error:
            listed, wrong = [], [str(error)]
        complaints += [*wrong, *find_damage(server, name)]
        if code := process.stop():
            complaints.append(f"the service ends with the code {code}")
    if process.errors:
        complaints.append(f"the service says: {process.errors.strip()[:1000]}")
    return _sum_up(
        load, ledger.required(), listed, stored_ids(server, name), complaints, crashes, back, began
    )


def _delete(server: Server, name: str, where: str, load: Load, ledger: Ledger) -> None:
    """Delete rows by SQL; the senders repeat some of them."""
    began_at = time.monotonic()
    rows = server.admin(f"DELETE FROM messages WHERE {where} RETURNING message_id", name)  # noqa: S608
    ids = [row[0] for row in rows]
    ledger.delete(ids, Act(began_at, time.monotonic()))
    sent = load.sent
    for message_id in ids[:REPEATED]:
        if message_id in sent:
            load.repeat(sent[message_id])


def _wait_for_200(load: Load) -> float:
    """The seconds until the next 200."""
    now = time.monotonic()
    wait_until(lambda: load.accepted_after(now) < float("inf"))
    return load.accepted_after(now) - now


def _sum_up(
    load: Load,
    required: set[str],
    listed: list[Json],
    stored: list[str],
    complaints: list[str],
    crashes: int,
    back: list[float],
    began: float,
) -> Crashes:
    by_walk, by_sql = Counter(message["message_id"] for message in listed), Counter(stored)
    refused = [each for each in load.refused if each.status == 503 and each.retry_after]
    return Crashes(
        crashes=crashes,
        deliveries=len(load.deliveries),
        acknowledged=len(load.acknowledged),
        refused=len(refused),
        unanswered=len(load.refused) - len(refused),
        lost=sorted(each for each in required if not (by_walk[each] and by_sql[each])),
        twice=sorted(each for each, count in (by_walk | by_sql).items() if count > 1),
        complaints=complaints,
        slowest_seconds=round(load.slowest_seconds, 2),
        back_seconds=round(max(back), 2),
        seconds=round(time.monotonic() - began, 1),
    )
