"""The sources of the environment: SOURCE_GITHUB_SECRET makes POST /webhook/github.

A variable belongs to the source with the shortest name that leaves a known ending. So
SOURCE_A_SECRET_PREVIOUS is the previous secret of `a`, and SOURCE_A_SECRET_SECRET the secret of
`a-secret`.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from service.errors import SettingsError
from service.variables import FILE_SUFFIX, Secret, Variable, read_variable, secret

PREFIX = "SOURCE_"
MESSAGES_SOURCE = "webhook"
"""The source of POST /webhook, and of the bodies that it kept. No other source has this name."""


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One source, as the environment has it. Its scheme is checked when schemes are loaded."""

    name: str
    """The end of its path: lower-case letters, digits and `-`."""
    scheme: str
    secret: Secret
    secret_previous: Secret | None = None
    verify_token: Secret | None = None
    url: str | None = None
    """The public URL of its webhook, without a query, for schemes that sign it."""

    def variable(self, ending: str) -> str:
        """The name of one of its variables, for an error."""
        return f"{PREFIX}{self.name.upper().replace('-', '_')}_{ending}"


def _scheme(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme not in ("http", "https")
        or not re.fullmatch(r"[^@\s]+", parts.netloc)
        or not re.fullmatch(r"[!->@-~]*", text)
        or "#" in text
    ):
        raise ValueError
    return text


SOURCE_VARIABLES = {
    "SECRET": Variable("secret", secret, "a secret", has_file=True),
    "SECRET_PREVIOUS": Variable("secret_previous", secret, "a secret", has_file=True),
    "SCHEME": Variable("scheme", _scheme, "the name of a scheme"),
    "VERIFY_TOKEN": Variable("verify_token", secret, "a token", has_file=True),
    "URL": Variable("url", _url, "the webhook's public http or https URL, without ? and #"),
}
"""By the end of the name; a variable of one source is SOURCE_<NAME>_<ending>."""

_ENDINGS = [
    ending + suffix
    for ending, variable in SOURCE_VARIABLES.items()
    for suffix in ("", FILE_SUFFIX)[: 1 + variable.has_file]
]
_split = re.compile(rf"{PREFIX}(.+?)_({'|'.join(_ENDINGS)})").fullmatch


def read_sources(environment: Mapping[str, str]) -> tuple[SourceSettings, ...]:
    """Every source, by name. An empty variable counts as unset.

    Any variable but URL makes a source, because other programs have such URLs, too. Raises
    SettingsError: a source lacks its secret, or has a variable that no source has.
    """
    given = [name for name, value in environment.items() if value and name.startswith(PREFIX)]
    found = {name: (match[1], match[2]) for name in given if (match := _split(name))}
    sources = sorted({source for source, ending in found.values() if ending != "URL"})
    for name in given:
        source = found[name][0] if name in found else None
        if source is not None and source.lower() == MESSAGES_SOURCE:
            raise SettingsError(
                f"{name} must name another source: `{MESSAGES_SOURCE}` is POST /webhook,"
                " and its secret is WEBHOOK_SECRET"
            )
        if source not in sources:
            _refuse_unknown(name, sources)
    return tuple(_read_source(environment, source) for source in sources)


def _refuse_unknown(name: str, sources: list[str]) -> None:
    """Raise if the variable begins like those of a source: it is a mistake, not another's."""
    for source in reversed(sources):
        if name.startswith(f"{PREFIX}{source}_"):
            takes = ", ".join(f"{PREFIX}{source}_{ending}" for ending in _ENDINGS)
            raise SettingsError(f"{name} is no variable of a source, which has: {takes}")


def _read_source(environment: Mapping[str, str], source: str) -> SourceSettings:
    prefix = f"{PREFIX}{source}_"
    if not re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+)*", source):
        raise SettingsError(
            f"{prefix}SECRET must name its source in upper-case letters and digits,"
            " with single _ between them"
        )
    values = {
        variable.field: value
        for ending, variable in SOURCE_VARIABLES.items()
        if (value := read_variable(environment, prefix + ending, variable)) is not None
    }
    if "secret" not in values:
        raise SettingsError(f"{prefix}SECRET must be set, because another {prefix}… variable is")
    name = source.lower().replace("_", "-")
    return SourceSettings(**{"name": name, "scheme": name} | values)
