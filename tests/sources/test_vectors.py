"""Every scheme accepts the requests that its provider published, and finds their id and type."""

import pytest

from service.sources.request import Request
from service.sources.scheme import Scheme, Vector, load_schemes
from service.sources.source import Source

SCHEMES = load_schemes(None)
VECTORS = [
    pytest.param(scheme, vector, id=f"{scheme.name}-{number}")
    for scheme in SCHEMES.values()
    for number, vector in enumerate(scheme.vectors, 1)
]


def make_request(vector: Vector) -> Request:
    headers = [(name.lower().encode(), text.encode()) for name, text in vector.headers.items()]
    return Request(headers, vector.url, vector.url.partition("?")[2].encode())


@pytest.mark.parametrize(("scheme", "vector"), VECTORS)
def test_a_published_request_is_accepted(scheme: Scheme, vector: Vector) -> None:
    source = Source("source", scheme, [vector.secret.encode()])
    request = make_request(vector)
    assert source.verify(request, vector.body_bytes, vector.now) == 0
    found = source.identify(request, vector.body_bytes)
    assert (found.event_id, found.type) == (vector.id or found.event_id, vector.type)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_every_scheme_has_a_vector_and_names_its_page(scheme: Scheme) -> None:
    assert scheme.vectors
    assert scheme.page.startswith("https://")
