"""compose.yml and the recipes around it: the services of each choice, their rights and secrets."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.postgres import suite
from tests.support.postgres.databases import Databases
from tests.support.postgres.server import Server, find_install
from tests.support.service import ROOT

Content = dict[str, Any]

PORT = "${PUBLISH:-127.0.0.1:8000}:8000"


@pytest.fixture(scope="module")
def compose() -> Content:
    content: Content = yaml.safe_load((ROOT / "compose.yml").read_text())
    return content


def services_of(compose: Content, profile: str | None) -> Content:
    """The services of one profile; None: those that `docker compose up` starts."""
    return {
        name: service
        for name, service in compose["services"].items()
        if service.get("profiles") == (None if profile is None else [profile])
    }


def test_without_a_profile_one_service_starts(compose: Content) -> None:
    assert set(services_of(compose, None)) == {"service"}
    assert set(services_of(compose, "postgres")) == set(compose["services"]) - {"service"}


def test_the_proxy_brings_all_of_its_profile(compose: Content) -> None:
    started, added = set(), {"proxy"}
    while added:
        started |= added
        added = {
            needed for name in added for needed in compose["services"][name].get("depends_on", ())
        }
    assert started == set(services_of(compose, "postgres"))


@pytest.mark.parametrize("profile", [None, "postgres"])
def test_each_choice_publishes_one_port_on_this_machine(
    compose: Content, profile: str | None
) -> None:
    services = services_of(compose, profile).values()
    assert [service["ports"] for service in services if "ports" in service] == [[PORT]]


def test_every_service_has_no_more_rights_than_it_needs(compose: Content) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else []), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert re.fullmatch(r"\d+s", service["stop_grace_period"]), name


def test_the_images_are_pinned_by_their_major_version(compose: Content) -> None:
    images = {service["image"] for service in compose["services"].values()}
    assert images == {
        "webhook-service",
        "docker.io/library/caddy:2",
        "docker.io/library/postgres:18",
    }


def test_only_replicas_reach_the_database(compose: Content) -> None:
    services = compose["services"]
    reach = {name for name, service in services.items() if "back" in service.get("networks", ())}
    assert reach == {"replica-1", "replica-2", "database"}
    assert services["database"]["networks"] == ["back"]
    assert compose["networks"]["back"] == {"internal": True}


def test_replicas_differ_in_nothing_and_wait_for_the_database(compose: Content) -> None:
    one, two = compose["services"]["replica-1"], compose["services"]["replica-2"]
    assert one == two
    assert one["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert one["environment"]["DATABASE_URL"] == ""
    assert one["environment"]["DATABASE_URL_FILE"] == "/run/secrets/database_url"
    waiting = compose["services"]["proxy"]["depends_on"]
    assert waiting == {
        name: {"condition": "service_healthy"} for name in ("replica-1", "replica-2")
    }


def test_no_secret_is_in_the_environment(compose: Content) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if name.endswith("_FILE"):
                assert Path(value).name in service["secrets"], name
            else:
                assert not re.search("SECRET$|TOKEN|PASSWORD", name), name


def test_every_service_reads_the_sources_if_there_are_any(compose: Content) -> None:
    for name in ("service", "replica-1", "replica-2"):
        found = compose["services"][name]["env_file"]
        assert found == [{"path": "secrets/sources.env", "required": False}]


def test_the_recipe_makes_every_secret_once(compose: Content, tmp_path: Path) -> None:
    just = shutil.which("just")
    if just is None:
        pytest.skip("there is no just on the PATH")
    shutil.copy(ROOT / "justfile", tmp_path)
    subprocess.run([just, "secrets"], cwd=tmp_path, check=True)
    made = {f"secrets/{file.name}": file for file in (tmp_path / "secrets").iterdir()}
    assert set(made) == {secret["file"] for secret in compose["secrets"].values()}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    texts = {name: file.read_text() for name, file in made.items()}
    password = texts["secrets/database_password"]
    assert texts["secrets/database_url"] == f"postgresql://webhook:{password}@database/webhook\n"
    assert all(len(text) >= 64 for text in texts.values())
    assert len(set(texts.values())) == len(texts)
    subprocess.run([just, "secrets"], cwd=tmp_path, check=True)
    assert {name: file.read_text() for name, file in made.items()} == texts


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "127.0.0.1:8001"])
def test_up_says_where_it_listens(tmp_path: Path, address: str) -> None:
    just = shutil.which("just")
    if just is None:
        pytest.skip("there is no just on the PATH")
    shutil.copy(ROOT / "justfile", tmp_path)
    podman = tmp_path / "podman"  # instead of the real one; accepts every command
    podman.write_text("#!/bin/sh\n")
    podman.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    if address != "127.0.0.1:8000":
        environment["PUBLISH"] = address
    done = subprocess.run(
        [just, "up"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert set(re.findall(r"http://([\d.:]+\d)", done.stderr)) == {address}
    assert (f"just send --count 100 --url http://{address}" in done.stderr) == (
        "PUBLISH" in environment
    )


def test_the_caddyfile_names_the_replicas(compose: Content) -> None:
    replicas = [f"{name}:8000" for name in compose["services"] if name.startswith("replica-")]
    assert compose["services"]["proxy"]["environment"]["REPLICAS"].split() == replicas
    assert f"{{$REPLICAS:{' '.join(replicas)}}}" in (ROOT / "deploy/compose/Caddyfile").read_text()


def test_the_role_owns_its_database_and_nothing_else(tmp_path: Path) -> None:
    install, psql = find_install(trigrams=True), shutil.which("psql")
    if install is None or psql is None:
        pytest.skip("there is no package with pg_trgm for this platform, or no psql")
    script = (ROOT / "deploy" / "compose" / "database.sql").read_text()
    (tmp_path / "password").write_text("of-the-file")
    script = script.replace("/run/secrets/database_password", str(tmp_path / "password"))
    with Server(None, install, suite.SETTINGS) as server:
        server.admin("DROP ROLE webhook")
        command = [psql, "--no-psqlrc", "--set=ON_ERROR_STOP=1", server.admin_url]
        subprocess.run(command, input=script, text=True, check=True)
        role = Databases(f"postgresql://webhook:of-the-file@127.0.0.1:{server.port}/webhook")
        role.admin("CREATE EXTENSION pg_trgm")
        role.admin("CREATE TABLE a (b text)")
        rights = "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles"
        assert [tuple(row) for row in role.admin(f"{rights} WHERE rolname = 'webhook'")] == [
            (False,)
        ]
        with pytest.raises(asyncpg.InvalidPasswordError):
            server.admin("SELECT 1")
