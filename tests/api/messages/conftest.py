"""Fixtures of the tests of GET /messages."""

import pytest

from tests.support.api.lists import ANNA, BERT, CARL, row
from tests.support.service import Service


@pytest.fixture
async def five(service: Service) -> Service:
    """Five messages, delivered out of order. Their ids follow the order of the list."""
    await service.store(
        row("4", ANNA, CARL, "2025-01-15T10:00:00.000002Z", "100% _sure_"),
        row("2", BERT, ANNA, "2025-01-15T10:00:00.000001Z", "hello, Bert"),
        row("5", ANNA, BERT, "2025-01-15T10:00:01Z", None),
        row("1", ANNA, BERT, "2025-01-15T10:00:00Z", "Hello"),
        row("3", ANNA, BERT, "2025-01-15T10:00:00.000001Z", ""),
    )
    return service
