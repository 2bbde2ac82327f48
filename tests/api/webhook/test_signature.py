"""POST /webhook: signatures, and the order of the checks."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.store.interface import StoreError
from tests.support.api.webhooks import BODY
from tests.support.kinds import StoreClass, on_each_database, on_sqlite
from tests.support.service import SECRET, Service, encode, message, running, signature, signed

pytestmark = [pytest.mark.anyio, on_each_database]


def hex_of(secret: str) -> str:
    return signature(BODY, secret)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(hex_of(SECRET), id="lower case"),
        pytest.param(hex_of(SECRET).upper(), id="upper case"),
        pytest.param("sha256=" + hex_of(SECRET), id="with sha256="),
        pytest.param("sha256=" + hex_of(SECRET).upper(), id="with sha256=, upper case"),
        pytest.param(hex_of("previous"), id="of the previous secret"),
        pytest.param(f"sha256={hex_of(SECRET)},sha256={hex_of('previous')}", id="of both secrets"),
        pytest.param(f"sha256={hex_of('new')},sha256={hex_of(SECRET)}", id="the second one"),
        pytest.param(f" SHA256={hex_of('new').upper()} ,\t{hex_of(SECRET)} ", id="white space"),
        pytest.param(f"{hex_of('a')},{hex_of('b')},{hex_of('c')},{hex_of(SECRET)}", id="of four"),
        pytest.param(f"{hex_of(SECRET)},garbage", id="garbage after it"),
        pytest.param(f",,{hex_of(SECRET)},", id="nothing between commas"),
    ],
)
async def test_a_true_signature_is_accepted(tmp_path: Path, value: str) -> None:
    async with running(tmp_path, WEBHOOK_SECRET_PREVIOUS="previous") as service:
        assert (await service.deliver(BODY, {"X-Signature": value})).status_code == 200


TRUE = hex_of(SECRET).encode()


@on_sqlite
@pytest.mark.parametrize(
    ("values", "failure"),
    [
        pytest.param([], "missing", id="missing"),
        pytest.param([b""], "missing", id="empty"),
        pytest.param([TRUE, TRUE], "malformed", id="twice"),
        pytest.param([TRUE, b"0" * 64], "malformed", id="a true one, then a false one"),
        pytest.param([b"0" * 64, TRUE], "malformed", id="a false one, then a true one"),
        pytest.param([b"0" * 64 + b"," + TRUE[::-1]], "mismatch", id="two false ones"),
        pytest.param([b"a,b,c,d," + TRUE], "malformed", id="the fifth one"),
        pytest.param([TRUE + b",a,b,c,d"], "malformed", id="the first of five"),
        pytest.param([b"," * 30_000], "malformed", id="30,000 commas"),
        pytest.param([TRUE + b";" + TRUE], "malformed", id="a semicolon between"),
        pytest.param([TRUE + b" " + TRUE], "malformed", id="a space between"),
        pytest.param([signature(BODY + b" ").encode()], "mismatch", id="of another body"),
        pytest.param([hex_of("another secret").encode()], "mismatch", id="of another secret"),
        pytest.param([hex_of("").encode()], "mismatch", id="of an empty secret"),
        pytest.param([TRUE[:-1]], "malformed", id="63 digits"),
        pytest.param([TRUE + b"0"], "malformed", id="65 digits"),
        pytest.param([b"x" * 64], "malformed", id="no digits"),
        pytest.param([b"\xe9" * 64], "malformed", id="not ASCII"),
        pytest.param(["\u0661".encode() * 32], "malformed", id="Arabic digits"),
        pytest.param([b"sha256="], "malformed", id="only sha256="),
        pytest.param([b"sha256=sha256=" + TRUE], "malformed", id="sha256= twice"),
        pytest.param([b"sha512=" + TRUE], "malformed", id="another algorithm"),
        pytest.param([b"sha256 " + TRUE], "malformed", id="a space for the ="),
        pytest.param([b"0" * 30_000], "malformed", id="30,000 digits"),
    ],
)
async def test_a_signature_is_refused(
    service: Service, values: Sequence[bytes], failure: str
) -> None:
    """The answer is the same for all. The log and a metric say which failure it was."""
    headers = [(b"X-Signature", value) for value in values]
    response = await service.client.post("/webhook", content=BODY, headers=headers)
    assert (response.status_code, response.text) == (401, '{"detail":"invalid signature"}')
    assert await service.ids() == []
    metrics = await service.metrics()
    assert metrics[f'webhook_refusals_total{{reason="{failure}",source="webhook"}}'] == 1
    assert metrics['webhook_last_received_timestamp_seconds{source="webhook"}'] == 0
    assert [line["reason"] for line in service.log_lines() if "reason" in line] == [failure]


@pytest.mark.parametrize(
    "claimed",
    [TRUE, TRUE[::-1], b"0" * 64, b"\xe9" * 64],
    ids=["true", "backwards", "zeros", "not ASCII"],
)
@pytest.mark.parametrize("is_same", [True, False])
async def test_only_a_comparison_in_constant_time_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: bytes, is_same: bool
) -> None:
    """Only signatures of the right length are compared."""
    compared: list[tuple[object, object]] = []

    def compare_digest(one: object, other: object) -> bool:
        compared.append((one, other))
        return is_same

    true = [TRUE] if is_same else [TRUE, hex_of("previous").encode()]
    async with running(tmp_path, WEBHOOK_SECRET_PREVIOUS="previous") as service:
        monkeypatch.setattr("service.sources.signature.hmac.compare_digest", compare_digest)
        statuses = []
        for written in (b"", claimed[:-1], claimed + b"0", claimed):
            headers = [(b"X-Signature", written)]
            response = await service.client.post("/webhook", content=BODY, headers=headers)
            statuses.append(response.status_code)
    assert statuses == [401, 401, 401, 200 if is_same else 401]
    assert compared == [(one, claimed) for one in true]


@on_sqlite
@pytest.mark.parametrize("claimed", [None, "garbage", hex_of("another secret")])
async def test_a_false_signature_never_reaches_the_store(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch, claimed: str | None
) -> None:
    """The time of a refusal must tell nothing about what is stored."""
    await service.store(message())

    async def touch(*_: object) -> None:
        raise StoreError("the store was touched")

    for name in ("insert", "page", "page_and_count", "totals", "check"):
        monkeypatch.setattr(store_class, name, touch)
    headers = {} if claimed is None else {"X-Signature": claimed}
    for body in (BODY, encode(message(message_id="new")), b"nonsense"):
        assert (await service.deliver(body, headers)).status_code == 401
    assert (await service.deliver(BODY)).status_code == 503


async def test_which_secret_signs_is_shown(tmp_path: Path) -> None:
    name = 'webhook_secret_last_used_timestamp_seconds{{secret="{}",source="webhook"}}'.format
    async with running(tmp_path, WEBHOOK_SECRET_PREVIOUS="previous") as service:
        begun = time.time()
        await service.deliver(BODY, signed(BODY, "previous"))
        metrics = await service.metrics()
        assert metrics[name("current")] == 0
        assert begun <= metrics[name("previous")] <= time.time()
        await service.deliver(b"no message")
        metrics = await service.metrics()
        assert metrics[name("current")] > metrics[name("previous")]
        received = metrics['webhook_last_received_timestamp_seconds{source="webhook"}']
        assert received == metrics[name("current")]


async def test_the_previous_secret_alone_is_none(tmp_path: Path) -> None:
    async with running(tmp_path, WEBHOOK_SECRET="", WEBHOOK_SECRET_PREVIOUS="old") as service:
        response = await service.deliver(BODY, signed(BODY, "old"))
    assert response.status_code == 503


async def test_a_secret_may_hold_any_characters(tmp_path: Path) -> None:
    secret = "k\N{LATIN SMALL LETTER E WITH ACUTE} y"
    async with running(tmp_path, WEBHOOK_SECRET=f" {secret}\n") as service:
        assert (await service.deliver(BODY, signed(BODY, secret))).status_code == 200


# The order of the checks


async def test_without_a_secret_nothing_else_is_looked_at(tmp_path: Path) -> None:
    async with running(tmp_path, WEBHOOK_SECRET="", MAX_BODY_BYTES="1") as service:
        response = await service.deliver(BODY)
    assert response.status_code == 503
    assert "WEBHOOK_SECRET" in response.json()["detail"]


async def test_the_length_is_looked_at_before_the_signature(tmp_path: Path) -> None:
    async with running(tmp_path, MAX_BODY_BYTES="10") as service:
        response = await service.deliver(b"[" * 11, {"X-Signature": "false"})
    assert response.status_code == 413


@on_sqlite
async def test_the_signature_is_looked_at_before_the_message(service: Service) -> None:
    response = await service.deliver(b"no JSON", {"X-Signature": "false"})
    assert response.status_code == 401


@on_sqlite
async def test_the_signature_is_looked_at_before_the_encoding(service: Service) -> None:
    headers = {"X-Signature": "false", "Content-Encoding": "gzip"}
    assert (await service.deliver(BODY, headers)).status_code == 401
