"""What it costs to verify and to name 1 KB of each provider: `python -m tests.bench.signatures`.

Prints a table of microseconds of processor time on one core, the least of many short runs.
"""

import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ed25519
from msgspec.structs import replace

from service.sources.request import Request
from service.sources.scheme import Scheme, Signature
from service.sources.signing import sign
from service.sources.source import Source
from tests.support.schemes import PUBLIC, SCHEMES, SEED, make_keys

BODY_BYTES = 1_024
NOW = 1_700_000_000
URL = "https://example.com/webhook/source"
OTHER_HEADERS = [
    (b"host", b"example.com"),
    (b"user-agent", b"Provider/1.0"),
    (b"accept", b"*/*"),
    (b"content-type", b"application/json"),
    (b"content-length", b"1024"),
    (b"x-forwarded-for", b"192.0.2.1"),
    (b"x-forwarded-proto", b"https"),
]
JSON = (
    b'{"id":"e1","type":"t","event":{"id":"e1"},"data":{"id":"e1"},"webhookTimestamp":%d000,"x":"'
)
FORM = (
    b"ToCountry=US&ToState=CA&SmsMessageSid=SM0123456789abcdef0123456789abcdef&NumMedia=0&"
    b"ToCity=SAN+FRANCISCO&FromZip=94105&SmsSid=SM0123456789abcdef0123456789abcdef&FromState=CA&"
    b"SmsStatus=received&FromCity=SAN+FRANCISCO&FromCountry=US&To=%2B14155550100&ToZip=94105&"
    b"MessagingServiceSid=MG0123456789abcdef0123456789abcdef&NumSegments=4&ApiVersion=2010-04-01&"
    b"MessageSid=SM0123456789abcdef0123456789abcdef&From=%2B14155550101&"
    b"AccountSid=AC0123456789abcdef0123456789abcdef&Body="
)


def main() -> None:
    """Print the table, and what Ed25519 costs without a scheme."""
    print("| scheme | header | verify, µs | name, µs |\n| --- | --- | ---: | ---: |")
    for scheme in SCHEMES.values():
        for signature in scheme.signatures:
            verify, name = measure(scheme, signature)
            print(f"| {scheme.name} | `{signature.header}` | {verify:.1f} | {name:.1f} |")
    print(f"\nEd25519 alone: {least(verify_alone()):.1f} µs")


def measure(scheme: Scheme, signature: Signature, runs: int = 200) -> tuple[float, float]:
    """Microseconds of `verify` and of `identify`, for a request that is accepted."""
    body = make_body(signature)
    keys = make_keys(signature)
    alone = replace(scheme, signature=signature)
    headers = sign(alone, keys.signing, body, NOW, "e1", URL)
    signed = [(name.lower().encode(), text.encode("latin-1")) for name, text in headers.items()]
    request = Request([*OTHER_HEADERS, *signed], URL)
    source = Source("source", scheme, [keys.verifying])
    verify = least(lambda: source.verify(request, body, NOW), runs)
    return verify, least(lambda: source.identify(request, body), runs)


def make_body(signature: Signature) -> bytes:
    if "{form}" in signature.signs:
        return FORM + b"a+" * ((BODY_BYTES - len(FORM)) // 2)
    start = JSON % NOW
    return start + b"a" * (BODY_BYTES - len(start) - 2) + b'"}'


def least(function: Callable[[], object], runs: int = 200, calls: int = 50) -> float:
    """Microseconds of a call. The least is that of the runs which nothing disturbed."""
    times = []
    for _ in range(runs):
        start = time.process_time_ns()
        for _ in range(calls):
            function()
        times.append(time.process_time_ns() - start)
    return min(times) / calls / 1_000


def verify_alone() -> Callable[[], object]:
    signature = ed25519.Ed25519PrivateKey.from_private_bytes(SEED).sign(b"a" * BODY_BYTES)
    key = ed25519.Ed25519PublicKey.from_public_bytes(PUBLIC)
    return lambda: key.verify(signature, b"a" * BODY_BYTES)


if __name__ == "__main__":
    main()
