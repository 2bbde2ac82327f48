"""Fixtures of the tests of `python -m service import`."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path in DATABASE_URL. There is no database yet."""
    path = tmp_path / "data" / "app.db"
    for name in ("DATABASE_URL_FILE", "MAX_BODY_BYTES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    return path
