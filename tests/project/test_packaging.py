"""The wheel, installed without a checkout, the lock files, and the files of the container."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel of this checkout is installed, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    _python("-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder), cwd=ROOT)
    wheel = next(folder.glob("*.whl"))
    site = folder / "site"
    _python("-m", "pip", "install", "--no-index", "--no-deps", "--target", str(site), str(wheel))
    return site


def test_the_wheel_holds_the_package_and_nothing_else(site: Path) -> None:
    information = f"webhook_service-{version('webhook-service')}.dist-info"
    assert {entry.name for entry in site.iterdir()} == {"bin", "service", information}
    assert (site / information / "licenses" / "LICENSE").is_file()


def test_the_wheel_holds_the_sql_of_the_checkout(site: Path) -> None:
    shipped = _texts(site / "service" / "sql")
    assert shipped == _texts(ROOT / "sql")
    assert shipped


def test_the_wheel_holds_the_page_with_its_licences(site: Path) -> None:
    assert _texts(site / "service" / "api" / "docs_page") == _texts(
        ROOT / "service" / "api" / "docs_page"
    )
    licences = site / f"webhook_service-{version('webhook-service')}.dist-info" / "licenses"
    for name in ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"):
        assert (licences / "service" / "api" / "docs_page" / "swagger-ui" / name).is_file()


def test_the_installed_command_serves_from_its_own_files(site: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "PORT": "0"}
    found = _python(
        "-c",
        "from service.store import queries; print(queries.sql_folder('sqlite'))",
        cwd=tmp_path,
        env=environment,
    )
    assert Path(found.strip()) == site / "service" / "sql" / "sqlite"
    with subprocess.Popen(
        [site / "bin" / "webhook-service"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            events = (json.loads(line) for line in process.stdout)
            port = next(event["port"] for event in events if event["event"] == "listening")
            for path in ("/health/live", "/docs", "/openapi.json"):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
                    assert response.status == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert (tmp_path / "data" / "app.db").is_file()


def test_the_lock_files_hold_every_dependency_at_a_version_that_is_allowed() -> None:
    for requirement in map(Requirement, requires("webhook-service") or ()):
        for file in ("send",) if "send" in str(requirement.marker) else ("service", "send"):
            (version,) = pinned(file)[requirement.name]
            assert requirement.specifier.contains(version), requirement


def test_no_two_lock_files_disagree() -> None:
    """They are installed into one environment: each recipe would undo the work of another."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "requirements").iterdir():
        for name, versions in pinned(file.stem).items():
            assert found.setdefault(name, versions) == versions, name


def test_serving_imports_only_packages_that_a_server_has() -> None:
    modules = _python("-c", IMPORT_MODULES, *pinned("service"), cwd=ROOT).split()
    assert {"service.http.server", "service.commands.import_.command"} <= set(modules)


IMPORT_MODULES = """
import importlib, pkgutil, re, sys
from importlib.metadata import packages_distributions

for package, names in packages_distributions().items():
    if not {re.sub("[_.]", "-", name).lower() for name in names} & set(sys.argv[1:]):
        sys.modules[package] = None  # an import of it fails
sys.modules.pop("service", None)
import service

for module in pkgutil.walk_packages(service.__path__, "service."):
    if module.name not in ("service.commands.send.run", "service.commands.send.load"):
        importlib.import_module(module.name)
        print(module.name)
"""


def pinned(name: str) -> dict[str, set[str]]:
    """The packages of one file of requirements/, and their versions (one for each platform)."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found: dict[str, set[str]] = {}
    for package, pin in re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE):
        found.setdefault(package, set()).add(pin)
    return found


def test_compose_checks_health_as_the_image_does() -> None:
    # Images in the OCI format have no health check, so compose.yml repeats it.
    image, compose = (ROOT / "Containerfile").read_text(), (ROOT / "compose.yml").read_text()
    (command,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", image, re.MULTILINE)
    assert f"test: {json.dumps(['CMD', *json.loads(command)])}\n" in compose


def _texts(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*")
        if file.is_file()
    }


def _python(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
