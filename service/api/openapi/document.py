"""The API as an OpenAPI 3.1 document, made of the routes that are served.

Paths, methods and who needs a token come from the routes; schemas from the structs; bounds and
rules from the constants of the parsers; refusals, with their statuses and headers, from the errors.
"""

from collections.abc import Sequence
from importlib.metadata import version

import msgspec
from starlette.routing import Route

from service.api.answers import NotReady, Ok, Page, Readiness, Refusal, Stats, encode
from service.api.authorization import RequireToken
from service.api.openapi.answers import (
    TRANSPORT_REFUSALS,
    Fragment,
    header,
    refer,
    refusals,
    transport_refusals,
)
from service.api.openapi.operations import TAGS, Operation, operations
from service.api.openapi.requests import request_id_parameter
from service.errors import Unauthorized
from service.messages.message import WebhookBody

ABOUT = """\
Receives signed webhooks, stores each message once, and answers 200 only when the message is on
stable storage.

**Errors** are JSON: one sentence in `detail` that names the field, the parameter or the limit. An
unknown path gets 404; a method that a path does not have gets 405 with `Allow`. HEAD is answered
wherever GET is.
"""

READ_TOKEN = "The service's `READ_TOKEN`."  # noqa: S105 - says what it is

STRUCTS = (WebhookBody, Ok, Page, Stats, Readiness, NotReady, Refusal)


def describe(routes: Sequence[Route], body_bytes_max: int) -> bytes:
    """The document of these routes, as JSON. `body_bytes_max` is MAX_BODY_BYTES.

    Raises KeyError for a route that `operations` does not know.
    """
    known = operations(body_bytes_max)
    document = {
        "openapi": "3.1.1",
        "info": {
            "title": "webhook-service",
            "version": version("webhook-service"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": {route.path: _path(route, known[route.path]) for route in routes},
        "components": _components(any(_is_protected(route) for route in routes)),
    }
    # JSON Schema's patterns are those of ECMA-262, where Python's \A and \Z are ^ and $.
    encoded = encode(document).replace(rb'"\\A', b'"^').replace(rb'\\Z"', b'$"')
    return msgspec.json.format(encoded, indent=2)


def _path(route: Route, operation: Operation) -> Fragment:
    shown = _show(operation, is_protected=_is_protected(route))
    return {
        method.lower(): _without_content(shown) if method == "HEAD" else shown
        for method in sorted(route.methods or ())
    }


def _show(operation: Operation, *, is_protected: bool) -> Fragment:
    errors = (*operation.refusals, Unauthorized()) if is_protected else operation.refusals
    responses = {
        **{str(status): answer for status, answer in operation.answers.items()},
        **refusals(errors),
        **{status: refer("responses", status) for status in TRANSPORT_REFUSALS},
    }
    shown: Fragment = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [*operation.parameters, request_id_parameter()],
        "responses": dict(sorted(responses.items())),
    }
    if operation.body is not None:
        shown["requestBody"] = operation.body
    if is_protected:
        shown["security"] = [{"readToken": []}]
    return shown


def _without_content(operation: Fragment) -> Fragment:
    """GET's operation as HEAD has it."""
    responses = {
        status: {name: part for name, part in answer.items() if name not in ("content", "links")}
        for status, answer in operation["responses"].items()
    }
    return {**operation, "operationId": f"{operation['operationId']}Head", "responses": responses}


def _components(has_token: bool) -> Fragment:
    _, schemas = msgspec.json.schema_components(STRUCTS, ref_template="#/components/schemas/{name}")
    components: Fragment = {
        "schemas": schemas,
        "responses": transport_refusals(),
        "headers": {"RequestId": header("The request's id: the caller's own, or a fresh one.")},
    }
    if has_token:
        scheme = {"type": "http", "scheme": "bearer", "description": READ_TOKEN}
        components["securitySchemes"] = {"readToken": scheme}
    return components


def _is_protected(route: Route) -> bool:
    return isinstance(route.endpoint, RequireToken)
