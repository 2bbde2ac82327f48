"""What each test of the import stands on: a folder, and no database yet."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the environment says that the database is; there is none yet."""
    path = tmp_path / "data" / "app.db"
    for name in ("DATABASE_URL_FILE", "MAX_BODY_BYTES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    return path
