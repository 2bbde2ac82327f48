"""A source: a provider that may send to `POST /webhook/{source}`, its scheme and its secrets."""

from collections.abc import Mapping, Sequence

from service.errors import InvalidSignature, SettingsError
from service.settings import Settings
from service.source_settings import SourceSettings
from service.sources.digests import make_digests
from service.sources.headers import keep_headers
from service.sources.identity import Identifier, Identity
from service.sources.request import Request
from service.sources.scheme import Scheme, Vector, load_schemes
from service.sources.verification import FAILURES, Check


class Source:
    """Verifies and identifies what one provider sends. Parses nothing before it is verified."""

    def __init__(
        self,
        name: str,
        scheme: Scheme,
        secrets: Sequence[bytes],
        verify_token: bytes | None = None,
        url: str | None = None,
    ) -> None:
        """`secrets`: the current one, and while it is rotated the previous one.

        `url` is the public URL, if it was given. Raises ValueError with what a secret must be.
        """
        self.name = name
        self.scheme = scheme
        self.secrets = tuple(secrets)
        self.verify_token = verify_token
        self.url = url
        self.answer = (scheme.answer.body.encode(), scheme.answer.content_type.encode())
        self._checks = [
            (index, Check(signature, digest))
            for index, secret in enumerate(secrets)
            for signature, digest in make_digests(scheme, secret)
        ]
        self._identify = Identifier(scheme).identify
        self._signatures = frozenset(each.header.lower().encode() for each in scheme.signatures)

    def verify(self, request: Request, body: bytes, now: float) -> int:
        """The index of the secret that signed the request: 0 is the current one.

        `now`: seconds since 1970. Raises InvalidSignature with one of FAILURES: that of the
        secret and the signature that came furthest.
        """
        failures = []
        for index, check in self._checks:
            try:
                check(request, body, now)
            except InvalidSignature as error:
                failures.append(error.failure)
            else:
                return index
        raise InvalidSignature(max(failures, key=FAILURES.index))

    def identify(self, request: Request, body: bytes) -> Identity:
        """The id, the type, and a problem if the id is not where the scheme says."""
        return self._identify(request, body)

    def kept_headers(self, request: Request) -> str:
        """A JSON object of the headers, without those that the scheme signs with."""
        return keep_headers(request.headers, self._signatures)


def load_sources(settings: Settings) -> dict[str, Source]:
    """Every source by its name. Raises SettingsError, which names the variable and the remedy."""
    schemes = load_schemes(settings.schemes_folder)
    return {each.name: _make_source(each, schemes) for each in settings.sources}


def check_vectors(scheme: Scheme) -> None:
    """Raises SettingsError if the scheme refuses one of its own vectors, or reads another id."""
    for number, vector in enumerate(scheme.vectors):
        if (fault := _find_fault(scheme, vector)) is not None:
            raise SettingsError(f"SCHEMES_FOLDER: {scheme.name}.toml: vectors[{number}]: {fault}")


def _find_fault(scheme: Scheme, vector: Vector) -> str | None:
    try:
        source = Source(scheme.name, scheme, [vector.secret.encode()])
    except ValueError as error:
        return f"secret must be {error}"
    try:
        source.verify(vector.request, vector.body_bytes, vector.now)
    except InvalidSignature as error:
        return f"the scheme refuses it: {error.failure}"
    found = source.identify(vector.request, vector.body_bytes)
    if vector.id not in (None, found.event_id):
        return f"its id is {found.event_id}"
    return None if vector.type in (None, found.type) else f"its type is {found.type}"


def _make_source(settings: SourceSettings, schemes: Mapping[str, Scheme]) -> Source:
    """The start checks a scheme's vectors: they prove that the file says what its author meant."""
    scheme = schemes.get(settings.scheme)
    if scheme is None:
        names = ", ".join(sorted(schemes))
        raise SettingsError(f"{settings.variable('SCHEME')} must be one of {names}")
    secrets = [(settings.secret, "SECRET"), (settings.secret_previous, "SECRET_PREVIOUS")]
    for secret, ending in secrets:
        try:
            _ = secret is None or make_digests(scheme, secret)
        except ValueError as error:
            raise SettingsError(f"{settings.variable(ending)} must be {error}") from None
        except SettingsError as error:
            raise SettingsError(f"{settings.variable(ending)}: {error}") from None
    check_vectors(scheme)
    given = [secret for secret, _ in secrets if secret is not None]
    return Source(settings.name, scheme, given, settings.verify_token, settings.url)
