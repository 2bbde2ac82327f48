"""The measurement of signatures measures requests that are accepted."""

import pytest

from tests.bench.signatures import BODY_BYTES, make_body, measure
from tests.support.schemes import SCHEMES


@pytest.mark.parametrize("name", SCHEMES)
def test_each_scheme_is_measured(name: str) -> None:
    for signature in SCHEMES[name].signatures:
        assert BODY_BYTES - 1 <= len(make_body(signature)) <= BODY_BYTES
        assert min(measure(SCHEMES[name], signature, runs=1)) > 0
