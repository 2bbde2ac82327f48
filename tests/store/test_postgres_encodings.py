"""A database must hold every character that a message may have."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from service.errors import DatabaseError
from service.store.interface import Filter, Outcome
from service.store.postgres.store import PostgresStore
from tests.store.messages import message, row
from tests.support.postgres.databases import connected
from tests.support.postgres.suite import shared_server

pytestmark = pytest.mark.anyio


@pytest.fixture
def create() -> Iterator[Callable[[str], str]]:
    """Makes a database of an encoding; gives its URL."""
    server = shared_server(trigrams=True)
    with ExitStack() as made:

        def create(encoding: str) -> str:
            name = f"test_{secrets.token_hex(8)}"
            made.callback(server.drop_database, name)
            server.create_database(name, f"ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
            return server.url(name)

        yield create


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP"])
async def test_a_database_that_lacks_characters_is_refused(
    create: Callable[[str], str], encoding: str
) -> None:
    url = create(encoding)
    store = PostgresStore(url, allows_async_commit=True)
    with pytest.raises(DatabaseError) as raised:
        await store.open()
    said = str(raised.value)
    assert said.startswith("DATABASE_URL: can't use postgresql://")
    assert said.endswith(
        f": it is encoded in {encoding}, and can't hold every character:"
        " create one with ENCODING 'UTF8' TEMPLATE template0"
    )
    assert "\n" not in said
    with connected(url) as run:
        run("CREATE TABLE migrations ()")  # nothing was made there


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
async def test_a_database_that_holds_all_characters_is_accepted(
    create: Callable[[str], str], encoding: str
) -> None:
    store = PostgresStore(create(encoding), allows_async_commit=True, timeout_seconds=60)
    await store.open()
    try:
        messages = [message("a", text="Ähre 😀 漢字かな"), message("b", text="ähre")]
        assert await store.insert(messages) == [Outcome.CREATED] * 2
        for _ in range(2):
            for q, found in {
                "ähre": messages,
                "e 😀 漢": messages[:1],
                "字かな": messages[:1],
            }.items():
                rows = [row(each) for each in found]
                assert await store.page_and_count(Filter(q_folded=q), None, 0, 10) == (
                    rows,
                    len(rows),
                )
            await store.index_all()
    finally:
        await store.close()
