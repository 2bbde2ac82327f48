"""Walks through GET /messages, compared with the model page by page."""

from collections.abc import Awaitable, Callable

from tests.support.model import Model, show
from tests.support.service import Json
from tests.support.strategies import Question

Get = Callable[[str], Awaitable[Json]]
"""Requests a path and returns the content of the answer, which must be 200."""


async def check_a_walk_by_cursor(get: Get, model: Model, question: Question) -> None:
    """A walk along `next` returns every match, page by page, and then ends."""
    expected = [show(row) for row in model.matching(question.chosen())]
    page = await get(question.url())
    for start in range(0, max(len(expected), 1), question.limit):
        check_page(page, expected, question, start, shown_offset=0)
        if page["next"] is not None:
            page = await get(question.url(cursor=page["next"]))


async def check_a_walk_by_offset(get: Get, model: Model, question: Question) -> None:
    """A walk by offsets returns the same and nothing more. It can continue by cursor."""
    expected = [show(row) for row in model.matching(question.chosen())]
    for start in range(0, len(expected) + question.limit + 1, question.limit):
        page = await get(question.url(offset=start))
        check_page(page, expected, question, start, shown_offset=start)
    if len(expected) > 1 + question.limit:
        page = await get(question.url(offset=1))
        page = await get(question.url(cursor=page["next"]))
        check_page(page, expected, question, 1 + question.limit, shown_offset=0)


def check_page(
    page: Json, expected: list[Json], question: Question, start: int, shown_offset: int
) -> None:
    """`page` is the part of `expected` that begins at `start`."""
    end = start + question.limit
    assert page["data"] == expected[start:end]
    assert page["total"] == (len(expected) if question.wants_total else None)
    assert (page["limit"], page["offset"]) == (question.limit, shown_offset)
    assert (page["next"] is None) == (end >= len(expected))
