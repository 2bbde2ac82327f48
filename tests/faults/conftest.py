"""The shim, for the tests that run a process under it."""

from pathlib import Path

import pytest

from tests.faults.shim import NoShim, build


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim, compiled."""
    try:
        return build(tmp_path_factory.mktemp("shim"))
    except NoShim as error:
        pytest.skip(f"no faults are tried, and nothing is proven about power loss: {error}")
