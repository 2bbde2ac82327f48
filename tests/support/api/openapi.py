"""Helpers for the tests of the OpenAPI document."""

import json
from collections.abc import Iterator
from typing import Any

from service.api.docs import FILE
from tests.support.service import Json

DOCUMENT: Json = json.loads(FILE.read_bytes())
SCHEMAS: Json = DOCUMENT["components"]["schemas"]


def resolve(part: Any) -> Any:
    """A part of the document with its references resolved."""
    if isinstance(part, list):
        return [resolve(each) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        found: Any = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolve(found)
    return {name: resolve(each) for name, each in part.items()}


def operations() -> Iterator[tuple[str, str, Json]]:
    """Each operation with its path and its method."""
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), resolve(operation)


def query_parameters(path: str, method: str = "get") -> dict[str, Json]:
    """The schemas of an operation's query parameters, in their order."""
    parameters = resolve(DOCUMENT["paths"][path][method]["parameters"])
    return {found["name"]: found["schema"] for found in parameters if found["in"] == "query"}


def examples_of(content: Json) -> list[Any]:
    """The examples of a body, whatever its media type."""
    return [
        example
        for by_type in content.values()
        for example in [
            *(found["value"] for found in by_type.get("examples", {}).values()),
            *([by_type["example"]] if "example" in by_type else []),
        ]
    ]


def ecma(pattern: str) -> str:
    r"""A Python pattern in the syntax of ECMA-262, which has ^ and $ for \A and \Z."""
    return pattern.replace(r"\A", "^").replace(r"\Z", "$")


def success(path: str, method: str = "get") -> Json:
    """The content of the 200."""
    content: Json = resolve(DOCUMENT["paths"][path][method]["responses"]["200"]["content"])
    return content


def described_errors(path: str, method: str, status: int) -> tuple[list[Json], set[str]]:
    """The examples of a refusal, and its required headers."""
    answer = resolve(DOCUMENT["paths"][path][method]["responses"][str(status)])
    required = {name.lower() for name, header in answer["headers"].items() if header["required"]}
    return examples_of(answer["content"]), required


def assert_described(answer: Any, path: str, method: str = "get") -> None:
    """Check that an error is one of the examples, and has the required headers."""
    examples, required = described_errors(path, method, answer.status_code)
    assert answer.json() in examples
    assert required <= set(answer.headers)
