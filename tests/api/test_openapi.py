"""GET /openapi.json: the file, held to the code."""

from importlib.metadata import version
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
import schemathesis

from service.api import parameters
from service.api.answers import (
    NotReady,
    OneMessage,
    Page,
    PageOfEvents,
    StateOfSources,
    Stats,
    StoredMessage,
)
from service.api.docs import FILE
from service.api.events import page as page_of_events
from service.api.events.bodies import LEVELS_MAX, EncodedBody
from service.api.messages import export, page
from service.api.messages.walk import FORMATS, NDJSON
from service.app import PATHS
from service.errors import Refusal, RequestError
from service.messages.addresses import ADDRESS
from service.messages.event import NAME_CHARACTERS_MAX
from service.messages.instants import RFC3339
from service.messages.message import TEXT_CHARACTERS_MAX, WebhookBody
from service.sources.scheme import load_schemes
from tests.api.test_authorization import PROTECTED
from tests.api.test_errors import ALLOWED
from tests.support.api.openapi import (
    DOCUMENT,
    SCHEMAS,
    ecma,
    operations,
    query_parameters,
    resolve,
    success,
)
from tests.support.service import Json, Service, running

pytestmark = pytest.mark.anyio

WEBHOOKS = ("/webhook", "/webhook/{source}")


async def test_it_is_served_as_it_is(service: Service) -> None:
    response = await service.get("/openapi.json")
    assert (response.status_code, response.content) == (200, FILE.read_bytes())
    assert response.headers["content-type"] == "application/json"


def test_it_is_openapi_3_1_of_this_version() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["version"] == version("webhook-service")
    schemathesis.openapi.from_dict(DOCUMENT).validate()  # by the official schema


async def test_it_has_the_routes_and_nothing_else(tmp_path: Path) -> None:
    described = {(path, method) for path, method, _ in operations()}
    variables = {"SOURCE_WHATSAPP_SECRET": "s", "SOURCE_WHATSAPP_VERIFY_TOKEN": "t"}
    async with running(tmp_path, **variables) as service:
        routes = service.app._routes()
    assert described == {(route.path, name) for route in routes for name in route.methods or ()}
    allowed = {(path, name) for path, names in ALLOWED.items() for name in names}
    assert described == allowed | {("/webhook/{source}", name) for name in ("GET", "HEAD")}
    assert set(DOCUMENT["paths"]) == set(PATHS), "else the metrics count them as unmatched"


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)


def test_nothing_in_it_is_without_use() -> None:
    text = FILE.read_text("utf-8")
    for kind, parts in DOCUMENT["components"].items():
        for name in parts:
            assert f"#/components/{kind}/{name}" in text or kind == "securitySchemes", name


def test_it_asks_for_a_token_where_the_service_does() -> None:
    for path, method, operation in operations():
        wanted: list[Json] | None = [{}, {"readToken": []}] if path in PROTECTED else None
        assert operation.get("security") == wanted, (method, path)
        if method != "HEAD" and operation["operationId"] != "answerHandshake":
            assert ("401" in operation["responses"]) == (path in (*PROTECTED, *WEBHOOKS))


def test_it_has_the_type_of_every_answer_to_a_webhook() -> None:
    described = success("/webhook/{source}", "post")
    for scheme in load_schemes(None).values():
        assert scheme.answer.content_type in described, scheme.name


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/messages", page.PARAMETERS),
        ("/messages/export", export.PARAMETERS),
        ("/events", page_of_events.PARAMETERS),
    ],
)
def test_it_has_the_parameters_that_are_parsed(path: str, names: tuple[str, ...]) -> None:
    for method in ("get", "head"):
        assert tuple(query_parameters(path, method)) == names


def test_its_bounds_are_those_of_the_code() -> None:
    found = query_parameters("/messages") | query_parameters("/messages/export")
    limit, offset, q = found["limit"], found["offset"], found["q"]
    assert (limit["minimum"], limit["maximum"]) == (1, parameters.LIMIT_MAX)
    assert limit["default"] == parameters.LIMIT_DEFAULT
    assert (offset["minimum"], offset["maximum"]) == (0, page.OFFSET_MAX)
    assert (q["minLength"], q["maxLength"]) == (1, TEXT_CHARACTERS_MAX)
    assert (found["format"]["enum"], found["format"]["default"]) == (list(FORMATS), NDJSON.name)
    assert SCHEMAS["Address"]["pattern"] == ecma(ADDRESS)
    assert found["from"]["pattern"] == ecma(ADDRESS).replace(r"\+", "[+ ]")
    assert found["since"]["pattern"] == ecma(RFC3339)
    events = query_parameters("/events")
    assert events["limit"] == limit
    for name in ("source", "type"):
        assert events[name]["minLength"] == 1
        assert events[name]["maxLength"] == NAME_CHARACTERS_MAX
    assert f"more than {LEVELS_MAX} nested" in SCHEMAS["EncodedBody"]["description"]
    for name, below, above in (("limit", 0, 101), ("offset", -1, page.OFFSET_MAX + 1)):
        for value in (below, above):
            with pytest.raises(RequestError, match=name):
                page.parse_query(f"{name}={value}".encode())


def test_its_message_is_that_of_the_decoder() -> None:
    """The file has every rule of the struct. Schemathesis tries the rules that it adds."""
    _, generated = msgspec.json.schema_components([WebhookBody])
    struct, described = generated["WebhookBody"], resolve(SCHEMAS["WebhookBody"])
    assert described["required"] == struct["required"]
    assert list(described["properties"]) == list(struct["properties"])
    for name, rules in struct["properties"].items():
        shown = described["properties"][name]
        assert ("default" in shown) == ("default" in rules)
        for rule, other in zip(alternatives(rules), alternatives(shown), strict=True):
            pattern = {"pattern": ecma(rule["pattern"])} if "pattern" in rule else {}
            assert other == other | rule | pattern, name


def alternatives(schema: Json) -> list[Json]:
    """The alternatives of a schema; the schema itself if it has none."""
    found: list[Json] = schema.get("anyOf", [schema])
    return found


@pytest.mark.parametrize(
    "struct",
    [
        StoredMessage,
        OneMessage,
        Page,
        Stats,
        PageOfEvents,
        EncodedBody,
        StateOfSources,
        NotReady,
        Refusal,
    ],
)
def test_its_answers_are_those_of_the_encoder(struct: type[msgspec.Struct]) -> None:
    _, generated = msgspec.json.schema_components([struct])
    for name, schema in generated.items():
        sent = [field for field in schema["properties"] if field != "event"]
        assert SCHEMAS[name]["required"] == sent, "all others are always sent"
        described = resolve(SCHEMAS[name]["properties"])
        assert list(described) == list(schema["properties"])
        for field, rule in schema["properties"].items():
            # What is handed on as it is has no type here.
            assert not rule or types_of(described[field]) == types_of(rule), field


def types_of(schema: Json) -> set[str]:
    """The JSON types that a schema allows."""
    if "anyOf" in schema:
        return {name for each in schema["anyOf"] for name in types_of(each)}
    if "enum" in schema:
        return set(schema["enum"])
    if "$ref" in schema:
        return {"object"}
    found = schema["type"]
    return set(found) if isinstance(found, list) else {found}


def test_white_space_is_the_same_to_both() -> None:
    validator = jsonschema_rs.validator_for(SCHEMAS["MessageId"])
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code <= 0xDFFF]
    assert [character for character in characters if not validator.is_valid(character)] == [
        character for character in characters if character.isspace() or character == "\0"
    ]
