"""Fixtures of the tests of events."""

import pytest

from tests.support.api.events import event, store
from tests.support.service import Service


@pytest.fixture
async def five(service: Service) -> Service:
    """Five events, stored out of order. Their ids follow the order of the list."""
    await store(
        service,
        event("4", "2026-11-23T12:00:00.000002Z", source="stripe", problem="no id"),
        event("2", "2026-11-23T12:00:00.000001Z", type="push"),
        event("5", "2026-11-23T12:00:01Z", source="webhook", type=None, problem="no from"),
        event("1", "2026-11-23T12:00:00Z"),
        event("3", "2026-11-23T12:00:00.000001Z", source="stripe"),
    )
    return service
