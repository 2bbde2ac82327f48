"""What the environment tells `send`: the address of a service, its secrets and its schemes."""

import os

from service.errors import SettingsError
from service.settings import Settings
from service.source_settings import PREFIX, SOURCE_VARIABLES, SourceSettings, read_sources
from service.sources.scheme import Scheme, load_schemes
from service.variables import FILE_SUFFIX

SECRET_VARIABLES = ("WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE")
ADDRESS_VARIABLES = ("HOST", "PORT")
LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here
"""A service that listens on all addresses is reached at these."""


def read_address() -> str:
    """The address of a service that this environment starts. Raises SettingsError."""
    settings = Settings.from_environment(_pick(*ADDRESS_VARIABLES))
    if settings.port == 0:
        raise SettingsError("PORT is 0, so the system chose a port: give --url")
    host = LOOPBACKS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def read_secret(option: str | None) -> bytes:
    """The secret of messages: that of the option, or else of the environment.

    Raises SettingsError.
    """
    given = _pick(*SECRET_VARIABLES) if option is None else {"WEBHOOK_SECRET": option}
    secret = Settings.from_environment(given).webhook_secret
    if secret is None:
        raise SettingsError("no secret to sign with: set WEBHOOK_SECRET, or WEBHOOK_SECRET_FILE")
    return secret


def read_source(
    name: str, scheme_name: str | None, secret: str | None
) -> tuple[SourceSettings, Scheme]:
    """A source as the service would have it, and its scheme; the options go first.

    Raises SettingsError.
    """
    prefix = f"{PREFIX}{name.upper().replace('-', '_')}_"
    given = _pick(
        *(prefix + ending + suffix for ending in SOURCE_VARIABLES for suffix in ("", FILE_SUFFIX))
    )
    if secret is not None:
        given |= {f"{prefix}SECRET": secret, f"{prefix}SECRET{FILE_SUFFIX}": ""}
    if scheme_name is not None:
        given |= {f"{prefix}SCHEME": scheme_name}
    scheme = find_scheme(scheme_name or given[f"{prefix}SCHEME"] or name)
    if secret is None and scheme.is_asymmetric:
        raise SettingsError(
            f"{scheme.name} signs with a private key, and {prefix}SECRET is the public one:"
            " give the private one with --secret"
        )
    if not (given[f"{prefix}SECRET"] or given[f"{prefix}SECRET{FILE_SUFFIX}"]):
        raise SettingsError(f"no secret to sign with: set {prefix}SECRET, or give --secret")
    return read_sources(given)[0], scheme


def find_scheme(name: str) -> Scheme:
    """The scheme of this name, shipped or of SCHEMES_FOLDER. Raises SettingsError."""
    schemes = load_schemes(Settings.from_environment(_pick("SCHEMES_FOLDER")).schemes_folder)
    if name not in schemes:
        raise SettingsError(f"there is no scheme {name!r}; there are: {', '.join(schemes)}")
    return schemes[name]


def _pick(*names: str) -> dict[str, str]:
    """The rest of the environment is the service's own affair."""
    return {name: os.environ.get(name, "") for name in names}
