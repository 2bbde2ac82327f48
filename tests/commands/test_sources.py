"""`python -m service sources`: what it lists, and what it refuses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.sources.scheme import load_schemes
from tests.support.processes import clean_environment


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "service", "sources"],
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_scheme_is_listed_with_what_it_wants() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "This environment has no source." in done.stdout
    rows = {line.split()[0]: re.split(r"  +", line) for line in done.stdout.splitlines() if line}
    for name, scheme in load_schemes(None).items():
        assert scheme.signatures[0].header in rows[name]
        assert scheme.signatures[0].digest in rows[name]
    assert rows["github"][1:] == [
        "SECRET",
        "text",
        "X-Hub-Signature-256",
        "hmac-sha256",
        "-",
        "{header:X-GitHub-Delivery}",
    ]
    assert rows["whatsapp"][1] == "SECRET, VERIFY_TOKEN"
    assert rows["twilio"][1] == "SECRET, URL"
    assert rows["discord"][2] == "public key, hex"
    assert rows["stripe"][5] == "300 s"


def test_the_sources_of_the_environment_are_listed_without_their_secrets(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(
        'page = "https://acme.example"\nid = "{json:id}"\n'
        '[signature]\nheader = "X-Acme"\ndigest = "token"\n'
    )
    done = run(
        SCHEMES_FOLDER=str(tmp_path),
        SOURCE_GITHUB_SECRET="hidden",
        SOURCE_GITHUB_SECRET_PREVIOUS="hidden",
        SOURCE_MY_SHOP_SECRET="hidden",
        SOURCE_MY_SHOP_SCHEME="acme",
        PORT="is the service's own affair",
    )
    assert (done.returncode, done.stderr) == (0, "")
    *_, github, shop = [line.split() for line in done.stdout.splitlines()]
    assert github == ["/webhook/github", "github", "2"]
    assert shop == ["/webhook/my-shop", "acme", "1"]
    assert "hidden" not in done.stdout


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"SOURCE_NOBODY_SECRET": "hidden"}, "SOURCE_NOBODY_SCHEME must be one of discord, "),
        ({"SOURCE_GITHUB_SCHEME": "github"}, "SOURCE_GITHUB_SECRET must be set"),
        ({"SOURCE_DISCORD_SECRET": "hidden"}, "SOURCE_DISCORD_SECRET must be "),
        ({"SCHEMES_FOLDER": "FOLDER"}, "SCHEMES_FOLDER: FOLDER/bad.toml: "),
        ({"SCHEMES_FOLDER": "FOLDER/vector"}, "SCHEMES_FOLDER: acme.toml: vectors[0]: the scheme "),
        ({"SCHEMES_FOLDER": "FOLDER/bad.toml"}, "SCHEMES_FOLDER must be a folder: "),
    ],
    ids=str,
)
def test_what_would_stop_a_start_is_one_line_and_exit_code_2(
    tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    (tmp_path / "vector").mkdir()
    (tmp_path / "vector" / "acme.toml").write_text(
        'page = "https://acme.example"\nid = "{json:id}"\n'
        '[signature]\nheader = "X-Acme"\ndigest = "token"\n'
        '[[vectors]]\nsecret = "s"\nbody = "{}"\nheaders = { X-Acme = "t" }\n'
    )
    (tmp_path / "bad.toml").write_text('page = "https://acme.example"\nids = "{json:id}"\n')
    given = {name: value.replace("FOLDER", str(tmp_path)) for name, value in variables.items()}
    done = run(**given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(sentence.replace("FOLDER/", f"{tmp_path}/"))
    assert done.stderr.count("\n") == 1
    assert "hidden" not in done.stderr
