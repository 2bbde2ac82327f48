"""Imports go one way: the contracts are in pyproject.toml, under importlinter."""

import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sysconfig.get_path("scripts")) / "lint-imports"


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
