"""The URL that a sender called, for schemes that sign it."""

from starlette.types import Scope

from service.api.caller import CallerReader

DEFAULT_PORTS = {"http": "80", "https": "443"}


def read_public_url(scope: Scope, configured: str | None, callers: CallerReader) -> str:
    """`configured`, or what request and trusted proxies say; then the request's query.

    Each proxy appends to its header, so the first value is the one that the sender saw.
    """
    query = scope["query_string"].decode("latin-1")
    url = configured or _rebuild(scope, callers)
    return f"{url}?{query}" if query else url


def _rebuild(scope: Scope, callers: CallerReader) -> str:
    given: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        given.setdefault(name, value.decode("latin-1").partition(",")[0].strip())
    scheme: str = scope["scheme"]
    host = given.get(b"host", "")
    if callers.is_trusted_peer(scope):
        scheme = given.get(b"x-forwarded-proto", scheme).lower()
        host = given.get(b"x-forwarded-host", host)
        port = given.get(b"x-forwarded-port", "")
        if port not in ("", DEFAULT_PORTS.get(scheme)) and ":" not in host.rpartition("]")[2]:
            host = f"{host}:{port}"
    return f"{scheme}://{host}{scope['raw_path'].decode('latin-1')}"
