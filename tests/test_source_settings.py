"""The variables of sources: which belongs to which, which are not ours, and the mistakes."""

from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import Settings
from service.source_settings import SOURCE_VARIABLES, SourceSettings
from service.variables import Secret


def read(**environment: str) -> tuple[SourceSettings, ...]:
    return Settings.from_environment(environment).sources


def mistake(**environment: str) -> str:
    with pytest.raises(SettingsError) as raised:
        read(**environment)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_secret_is_all_it_takes() -> None:
    assert read(SOURCE_GITHUB_SECRET="s") == (
        SourceSettings(name="github", scheme="github", secret=Secret(b"s")),
    )


def test_every_variable() -> None:
    (source,) = read(
        SOURCE_MY_SHOP_2_SECRET=" s\n",
        SOURCE_MY_SHOP_2_SECRET_PREVIOUS="before",
        SOURCE_MY_SHOP_2_SCHEME="shopify",
        SOURCE_MY_SHOP_2_VERIFY_TOKEN="token",
        SOURCE_MY_SHOP_2_URL="https://example.com:8443/webhook/my-shop-2",
    )
    assert source == SourceSettings(
        name="my-shop-2",
        scheme="shopify",
        secret=Secret(b"s"),
        secret_previous=Secret(b"before"),
        verify_token=Secret(b"token"),
        url="https://example.com:8443/webhook/my-shop-2",
    )
    assert source.variable("SCHEME") == "SOURCE_MY_SHOP_2_SCHEME"


@pytest.mark.parametrize("ending", ["SECRET", "SECRET_PREVIOUS", "VERIFY_TOKEN"])
def test_a_file_may_hold_what_is_secret(tmp_path: Path, ending: str) -> None:
    (tmp_path / "file").write_bytes(b"\xff\n")
    others = {} if ending == "SECRET" else {"SOURCE_A_SECRET": "s"}
    (source,) = read(**others, **{f"SOURCE_A_{ending}_FILE": str(tmp_path / "file")})
    assert getattr(source, SOURCE_VARIABLES[ending].field) == b"\xff"
    both = {f"SOURCE_A_{ending}": "s", f"SOURCE_A_{ending}_FILE": str(tmp_path / "file")}
    assert "are both set" in mistake(**others | both)


def test_sources_whose_names_begin_alike_are_told_apart() -> None:
    sources = read(
        SOURCE_A_SECRET="1",
        SOURCE_A_SECRET_PREVIOUS="2",
        SOURCE_A_SECRET_SECRET="3",
        SOURCE_A_SECRET_SECRET_PREVIOUS="4",
        SOURCE_A_URL_SECRET="5",
        SOURCE_A_B_SECRET="6",
        SOURCE_A_B_SCHEME="a",
        SOURCE_SECRET_SECRET="7",
    )
    assert [(s.name, s.scheme, s.secret, s.secret_previous) for s in sources] == [
        ("a", "a", b"1", b"2"),
        ("a-b", "a", b"6", None),
        ("a-secret", "a-secret", b"3", b"4"),
        ("a-url", "a-url", b"5", None),
        ("secret", "secret", b"7", None),
    ]


def test_what_belongs_to_no_source_is_none_of_ours() -> None:
    assert (
        read(
            SOURCE_DATE_EPOCH="0",
            SOURCE_="x",
            SOURCE_SECRET="x",
            SOURCE_SECRET_FILE="x",
            SOURCE_CODE_URL="not a URL",
            SOURCES_A_SECRET="x",
            MY_SOURCE_A_SECRET="x",
            SOURCE_A_SCHEME_FILE="x",
        )
        == ()
    )


def test_what_is_empty_is_not_set() -> None:
    names = [f"SOURCE_A_{ending}" for ending in [*SOURCE_VARIABLES, "SECRT"]]
    assert read(**dict.fromkeys(names, "")) == ()
    assert len(read(SOURCE_B_SECRET="s", SOURCE_B_SECRT="", SOURCE_B_URL="")) == 1


@pytest.mark.parametrize(
    "name",
    ["SOURCE_A_SECRT", "SOURCE_A_SCHEME_FILE", "SOURCE_A_", "SOURCE_A_B_URL", "SOURCE_A_url"],
)
def test_an_ending_that_no_source_has_is_a_mistake(name: str) -> None:
    found = mistake(SOURCE_A_SECRET="mark", **{name: "mark"})
    assert found.startswith(f"{name} is no variable of a source, which has: SOURCE_A_SECRET, ")
    assert "mark" not in found


@pytest.mark.parametrize("ending", ["SECRET_PREVIOUS", "SCHEME", "VERIFY_TOKEN"])
def test_a_source_needs_its_secret(ending: str) -> None:
    assert mistake(**{f"SOURCE_A_{ending}": "x"}).startswith("SOURCE_A_SECRET must be set")


@pytest.mark.parametrize("ending", SOURCE_VARIABLES)
def test_the_source_of_plain_messages_is_reserved(ending: str) -> None:
    name = f"SOURCE_WEBHOOK_{ending}"
    assert mistake(**{name: "x"}).startswith(f"{name} must name another source")
    assert [source.name for source in read(SOURCE_WEBHOOK_2_SECRET="s")] == ["webhook-2"]


@pytest.mark.parametrize("source", ["github", "A__B", "_A", "A_", "A-B", "\u00c4"])
def test_a_name_that_is_no_path(source: str) -> None:
    found = mistake(**{f"SOURCE_{source}_SECRET": "x"})
    assert found.startswith(f"SOURCE_{source}_SECRET must name its source in upper-case letters")


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("SECRET", " "),
        ("SECRET_PREVIOUS", "\n"),
        ("VERIFY_TOKEN", "\ufeff"),
        ("SCHEME", "a b"),
        ("SCHEME", "../a"),
        ("URL", "example.com/webhook/a"),
        ("URL", "ftp://example.com"),
        ("URL", "https://user:password@example.com/"),
        ("URL", "https://example.com/?a=b"),
        ("URL", "https://example.com/#a"),
        ("URL", "https://example.com/\u00e4"),
        ("URL", "https://example.com/a b"),
        ("URL", "https://[::1/"),
        ("URL", "https:///webhook"),
    ],
)
def test_a_value_that_makes_no_sense(ending: str, text: str) -> None:
    values = {"SOURCE_A_SECRET": "s"} | {f"SOURCE_A_{ending}": text}
    found = mistake(**values)
    assert found.startswith(f"SOURCE_A_{ending} must be ")
    assert "password" not in found


def test_secrets_do_not_show_themselves() -> None:
    endings = ("SECRET", "SECRET_PREVIOUS", "VERIFY_TOKEN")
    assert "mark" not in repr(read(**{f"SOURCE_A_{ending}": "mark" for ending in endings}))


def test_a_folder_of_schemes() -> None:
    settings = Settings.from_environment({"SCHEMES_FOLDER": "some/folder"})
    assert settings.schemes_folder == Path("some/folder")
