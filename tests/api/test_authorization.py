"""READ_TOKEN: only requests that carry it may read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api.templates import store_named_by_the_templates
from tests.support.service import Service, message, running

pytestmark = pytest.mark.anyio

TOKEN = "a.Read-Token_1~2+3/4=="
PROTECTED = (
    "/messages",
    "/messages/export",
    "/messages/{message_id}",
    "/stats",
    "/events",
    "/events/{source}/{event_id}",
    "/events/{source}/{event_id}/body",
    "/sources",
    "/metrics",
)


@pytest.fixture
async def protected(tmp_path: Path) -> AsyncIterator[Service]:
    async with running(tmp_path, READ_TOKEN=TOKEN) as service:
        await store_named_by_the_templates(service)
        yield service


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize(
    "value",
    [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer   {TOKEN}"],
)
async def test_whoever_has_the_token_may_read(protected: Service, path: str, value: str) -> None:
    assert (await protected.get(path, Authorization=value)).status_code == 200


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="missing"),
        pytest.param([""], id="empty"),
        pytest.param(["Bearer"], id="only the scheme"),
        pytest.param(["Bearer "], id="an empty token"),
        pytest.param([TOKEN], id="no scheme"),
        pytest.param([f"Basic {TOKEN}"], id="another scheme"),
        pytest.param([f"Bearer {TOKEN[:-1]}"], id="a part of it"),
        pytest.param([f"Bearer {TOKEN}x"], id="more than it"),
        pytest.param([f"Bearer {TOKEN.lower()}"], id="another case"),
        pytest.param([f"Bearer {TOKEN}", f"Bearer {TOKEN}"], id="twice"),
        pytest.param([f"Bearer {TOKEN},Bearer {TOKEN}"], id="two in one"),
        pytest.param(["Bearer \u00e9"], id="not ASCII"),
        pytest.param([f"Bearer\t{TOKEN}"], id="a tab between"),
    ],
)
async def test_nobody_else_may(protected: Service, path: str, values: list[str]) -> None:
    headers = [(b"Authorization", value.encode()) for value in values]
    response = await protected.client.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json().keys() == {"detail"}
    assert TOKEN not in response.text


@pytest.mark.parametrize("path", PROTECTED)
async def test_a_token_in_the_query_is_none(protected: Service, path: str) -> None:
    assert (await protected.get(f"{path}?access_token=a&token=b")).status_code == 401


async def test_webhooks_probes_and_documentation_want_no_token(protected: Service) -> None:
    await protected.store(message())
    for path in ("/health/live", "/health/ready", "/openapi.json", "/docs"):
        assert (await protected.get(path)).status_code == 200


async def test_the_path_and_the_method_are_looked_at_first(protected: Service) -> None:
    assert (await protected.get("/nothing")).status_code == 404
    assert (await protected.client.delete("/messages")).status_code == 405
