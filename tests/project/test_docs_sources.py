"""docs/sources.md: a section for each scheme, every key of its file, and an example that works."""

import re
import time
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from service.commands.send.arguments import parse
from service.sources import scheme as schemes
from service.sources.request import Request
from service.sources.source import Source, check_vectors
from service.sources.templates import FACT_PARTS, SIGNED_PARTS
from service.sources.verification import FAILURES
from tests.support.markdown import code_blocks, named, read, section, tables
from tests.support.schemes import SCHEMES

PAGE = "docs/sources.md"
TITLES = {
    "hmac-sha256": "HMAC-SHA256",
    "github": "GitHub",
    "gitlab": "GitLab",
    "pagerduty": "PagerDuty",
    "standard-webhooks": "Standard Webhooks",
    "whatsapp": "WhatsApp",
}


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_has_a_section_with_its_page_and_its_variable(name: str) -> None:
    text = section(PAGE, TITLES.get(name, name.capitalize()))
    scheme = SCHEMES[name]
    assert f"]({scheme.page})" in text
    variable = f"`SOURCE_{name.upper().replace('-', '_')}_SECRET`"
    assert variable in text or "`SOURCE_<NAME>_SECRET`" in text
    assert f"just send --scheme {name}" in text
    assert [line.split(":")[0] for line in text.splitlines() if line.startswith("- ")] == [
        f"- {word}" for word in ("Theirs", "Ours", "Id", "Replay", "Try it")
    ]
    times = {each.timestamp.tolerance_seconds for each in scheme.signatures if each.timestamp}
    shown = re.search(r"Replay: refused after (a|\d+) minutes?", text)
    assert times == ({60 * int(shown[1].replace("a", "1"))} if shown else set())


@pytest.mark.parametrize("name", SCHEMES)
def test_what_a_section_lets_one_try_is_accepted(name: str) -> None:
    codes = re.findall("`([^`]+)`", section(PAGE, TITLES.get(name, name.capitalize())))
    send = next(code for code in codes if code.startswith("just send")).split()[2:]
    run = next((code for code in codes if code.endswith("just run")), None)
    options = parse(send)
    own = send[send.index("--secret") + 1]
    secret = own if run is None else run.partition("=")[2].removesuffix(" just run")
    source = Source(name, SCHEMES[name], [secret.encode()])
    delivery = options.target.make()
    headers = options.target.sign(delivery).items()
    raw = [(key.lower().encode(), value.encode()) for key, value in headers]
    source.verify(Request(raw, options.url), delivery.body, time.time())


def test_every_section_is_that_of_a_scheme() -> None:
    titles = re.findall(r"(?m)^### (.+)$", section(PAGE, "Providers"))
    assert sorted(titles) == sorted(TITLES.get(name, name.capitalize()) for name in SCHEMES)


@pytest.mark.parametrize(
    ("title", "table"),
    [
        ("Keys of the file", schemes.Scheme),
        ("Keys of `signature`", schemes.Signature),
        ("Keys of `timestamp`", schemes.Timestamp),
        ("Keys of `answer`", schemes.Answer),
        ("Keys of `example`", schemes.Example),
        ("Keys of `vectors`", schemes.Vector),
    ],
)
def test_every_key_is_explained(title: str, table: type[msgspec.Struct]) -> None:
    keys = named(tables(section(PAGE, title), "key"))
    assert sorted(keys) == sorted(set(table.__struct_fields__) - {"name"})


def test_every_choice_of_a_key_is_named() -> None:
    for table in (schemes.Scheme, schemes.Signature, schemes.Timestamp):
        hints = " ".join(map(str, get_type_hints(table).values()))
        literals = " ".join(re.findall(r"Literal\[([^]]*)\]", hints))
        for choice in re.findall(r"'([^']+)'", literals):
            assert f"`{choice}`" in read(PAGE), choice


def test_every_part_and_every_failure_is_explained() -> None:
    parts = named(tables(read(PAGE), "part"))
    assert sorted(parts) == sorted(f"{{{part}}}" for part in {*SIGNED_PARTS, *FACT_PARTS})
    assert named(tables(read(PAGE), "reason")) == list(FAILURES)


def test_the_example_is_a_scheme_that_works(tmp_path: Path) -> None:
    [example] = [block for block in code_blocks(PAGE) if "[signature]" in block]
    (tmp_path / "acme.toml").write_text(example, "utf-8")
    acme = schemes.load_schemes(tmp_path)["acme"]
    assert acme.vectors
    check_vectors(acme)
