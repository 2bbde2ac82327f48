"""Every read that the service offers, on PostgreSQL and on SQLite, in turns."""

from contextlib import ExitStack

from tests.bench import databases
from tests.bench.client import Client
from tests.bench.growth import WORDS
from tests.bench.places import scratch
from tests.bench.plan import FULL
from tests.bench.postgres_plan import Plan
from tests.bench.postgres_results import POSTGRES, SQLITE, Built, PostgresReport
from tests.bench.postgres_servers import DATABASE, prepared, serving
from tests.bench.reads import BARS, Kind, find_words, kinds, look_up
from tests.bench.results import Read
from tests.bench.sampling import sample_in_turns, summarize
from tests.bench.targets import SERVICE, running
from tests.bench.watch import Watch


def measure_reads(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """The same requests for the same messages, each service idle but for them."""
    kept, build_seconds = prepared(plan.messages, watch)
    with ExitStack() as stack:
        server = stack.enter_context(serving(True, kept))
        size = server.admin(f"SELECT pg_database_size('{DATABASE}') AS bytes")[0]["bytes"]
        report.built = Built(plan.messages, size, build_seconds)
        copies, _ = stack.enter_context(databases.prepared((plan.messages,), watch))
        folder = stack.enter_context(scratch())
        database = copies.get(plan.messages).database
        facts = look_up(database)
        on_sqlite = stack.enter_context(running(SERVICE, database))
        variables = {"DATABASE_URL": server.url(DATABASE)}
        on_postgres = stack.enter_context(running(SERVICE, folder / "db", variables=variables))
        clients = {
            SQLITE: stack.enter_context(Client(on_sqlite.port)),
            POSTGRES: stack.enter_context(Client(on_postgres.port)),
        }
        asked = kinds(plan.messages, facts, find_words(clients[SQLITE], plan.messages, WORDS))
        report.reads = _sample(clients, asked, plan, watch)


def _sample(clients: dict[str, Client], asked: list[Kind], plan: Plan, watch: Watch) -> list[Read]:
    reads = FULL._replace(
        reads=plan.reads, read_rounds=plan.read_rounds, read_seconds_max=plan.read_seconds_max
    )
    served = {database: (client, asked) for database, client in clients.items()}
    with watch.part("reads", plan.read_rounds * len(clients) * len(BARS)) as begin:
        found = sample_in_turns(served, reads, begin)
    return [
        summarize(plan.messages, database, name, rounds)
        for database, of_database in found.items()
        for name, rounds in of_database.items()
    ]
