"""Clients that leave or lose their connection, and senders that retry."""

import json

import pytest

from tests.http.conftest import HASTE_SECONDS, delay
from tests.support.service import encode, message
from tests.support.wires import (
    GET,
    Wire,
    Wires,
    head,
    post,
    scrape,
    wait_for_sample,
    wait_for_status,
)

pytestmark = pytest.mark.anyio


async def test_a_client_that_leaves_in_the_middle_of_its_body(wires: Wires, wire: Wire) -> None:
    await wire.send(post()[:-1])
    await wire.leave()
    await wait_for_status(wires, 499)
    metrics = await scrape(wires)
    results = [value for name, value in metrics.items() if name.startswith("webhook_requests")]
    assert not any(results)
    lines = [line for line in wires.service.log_lines() if line["path"] == "/webhook"]
    assert [(line["status"], line["level"]) for line in lines] == [(499, "WARNING")]
    assert b"ERROR" not in wires.service.log_output()


async def test_a_client_that_leaves_in_the_middle_of_its_head(wires: Wires, wire: Wire) -> None:
    await wire.send(post()[:20])
    await wire.leave()
    await scrape(wires)
    assert b"ERROR" not in wires.service.log_output()


async def test_a_client_that_leaves_before_the_answer(wires: Wires) -> None:
    for number in range(20):
        wire = await wires.connect()
        await wire.send(post(encode(message(message_id=str(number)))))
        await wire.leave()
    await wait_for_sample(wires, 'webhook_requests_total{result="created",source="webhook"}', 20)
    assert b"ERROR" not in wires.service.log_output()


@pytest.mark.parametrize("behind", [b"", GET[:20], post()[:-1]], ids=["", "a head", "a body"])
async def test_a_client_that_closes_its_side_gets_its_answers(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, behind: bytes
) -> None:
    """`nc -N` does so. An unfinished request after the others gets no answer."""
    delay(monkeypatch, 0.05)
    await wire.send(GET + post() + post() + behind)
    wire.half_close()
    assert [answer.status for answer in await wire.answers()] == [200, 200, 200]


@pytest.mark.parametrize("part", [b"", GET[:20], post()[:-1], GET + post()[:20]], ids=len)
async def test_a_client_that_closes_its_side_is_not_waited_for(wires: Wires, part: bytes) -> None:
    wire = await wires.connect()
    await wire.send(part)
    wire.half_close()
    assert [answer.status for answer in await wire.answers()] == [200] * part.startswith(GET)
    assert (await scrape(wires))['webhook_requests_total{result="created",source="webhook"}'] == 0
    assert b"ERROR" not in wires.service.log_output()


@pytest.mark.parametrize(
    "garbage",
    [b"garbage\r\n\r\n", head("Transfer-Encoding: chunked") + b"x\r\n"],
    ids=["in a head", "in a body"],
)
async def test_a_client_that_closes_its_side_is_told_why_it_is_refused(
    wire: Wire, garbage: bytes
) -> None:
    await wire.send(post() + garbage)
    wire.half_close()
    assert [answer.status for answer in await wire.answers()] == [200, 400]


async def test_a_body_cut_by_a_reset(wires: Wires, wire: Wire) -> None:
    await wire.send(post()[:-1])
    wire.reset()
    await wait_for_status(wires, 499)
    assert b"ERROR" not in wires.service.log_output()


async def test_a_sender_that_has_waited_too_long_and_tries_again(
    wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second attempt arrives while the first is being stored."""
    is_being_stored = delay(monkeypatch, HASTE_SECONDS)
    impatient, patient = await wires.connect(), await wires.connect()
    await impatient.send(post())
    await is_being_stored.wait()
    await impatient.leave()
    await patient.send(post())
    assert (await patient.answer()).status == 200
    await check_stored_once(wires)


@pytest.mark.parametrize("part", [1, len(post()) // 2, len(post()) - 1, len(post())])
async def test_a_sender_that_loses_its_connection_and_tries_again(
    wires: Wires, wire: Wire, part: int
) -> None:
    await wire.send(post()[:part])
    wire.reset()
    wire = await wires.connect()
    await wire.send(post())
    assert (await wire.answer()).status == 200
    await check_stored_once(wires)


async def check_stored_once(wires: Wires) -> None:
    metrics = await scrape(wires)
    assert metrics['webhook_requests_total{result="created",source="webhook"}'] == 1
    wire = await wires.connect()
    await wire.send(b"GET /messages HTTP/1.1\r\nHost: a\r\n\r\n")
    assert json.loads((await wire.answer()).body)["data"] == [message()]
