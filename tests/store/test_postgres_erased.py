"""Messages that are erased with SQL: sent again they are found once, and a reindex forgets them."""

import pytest

from service.store.interface import Filter
from service.store.postgres.store import PostgresStore
from tests.store.messages import message
from tests.support.postgres.databases import Databases, connected
from tests.support.postgres.suite import empty_database

pytestmark = pytest.mark.anyio

CHOSEN = Filter(q_folded="number")


async def check(store: PostgresStore) -> None:
    """By the page, and by the count that is made when there are many."""
    rows, count = await store.page_and_count(CHOSEN, None, 0, 10)
    assert ([row.message_id for row in rows], count) == (["a", "b"], 2)
    values = {
        "q": CHOSEN.q_folded,
        "from_msisdn": None,
        "to_msisdn": None,
        "since": CHOSEN.since,
        "until": CHOSEN.until,
    }
    sql = store._queries.count_by_text
    ((counted,),) = await store._readers.run(5, lambda one: one.fetch(sql, values))
    assert counted == 2


@pytest.mark.parametrize("is_indexed", [True, False], ids=["indexed", "pending"])
async def test_a_message_that_is_erased_and_sent_again_is_found_once(is_indexed: bool) -> None:
    sent = [message("a", text="Number one"), message("b", text="Number two")]
    with empty_database(trigrams=True) as url:
        store = PostgresStore(url, allows_async_commit=True, timeout_seconds=60)
        await store.open()
        try:
            if not is_indexed:
                await store._indexer.close()  # both batches stay pending, to be applied together
            await store.insert(sent)
            if is_indexed:
                await store.index_all()
            with connected(url) as execute:
                execute("DELETE FROM messages WHERE message_id = 'b'")
            await store.insert(sent)
            await check(store)
            await store.index_all()
            await check(store)
        finally:
            await store.close()


async def test_a_reindex_forgets_the_texts_of_erased_messages() -> None:
    sent = [message(name, text=f"Number {name}") for name in "abc"]
    with empty_database(trigrams=True) as url:
        store = PostgresStore(url, allows_async_commit=True, timeout_seconds=60)
        await store.open()
        try:
            await store.insert(sent)
            await store.index_all()
            with connected(url) as execute:
                execute("DELETE FROM messages WHERE message_id = 'a'")
                execute("UPDATE messages SET text = NULL WHERE message_id = 'b'")
            await store.reindex()
            await store.index_all()
        finally:
            await store.close()
        kept = Databases(url).admin("SELECT folded_text FROM texts")
    assert [tuple(each) for each in kept] == [("number c",)]
