"""Every shipped scheme, its vectors, and keys that sign for it."""

import base64
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.errors import InvalidSignature
from service.sources.request import Request
from service.sources.scheme import Scheme, Signature, Vector, load_schemes
from service.sources.source import Source

SCHEMES = load_schemes(None)
SEED = b"of a private key of Ed25519, 32 b"[:32]
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()


class Keys(NamedTuple):
    """What signs, and what verifies: the same, but for Ed25519."""

    signing: bytes
    verifying: bytes


def make_keys(signature: Signature) -> Keys:
    if signature.digest == "ed25519":
        return Keys(write_key(signature, SEED), write_key(signature, PUBLIC))
    secret = write_key(signature, b"24 to 64 random bytes of it")
    return Keys(secret, secret)


def write_key(signature: Signature, key: bytes) -> bytes:
    match signature.key:
        case "text":
            return key
        case "hex":
            return key.hex().encode()
        case "whpk_":
            return (b"whsk_" if key == SEED else b"whpk_") + base64.b64encode(key)
        case "whsec_":
            return b"whsec_" + base64.b64encode(key)
        case _:
            return base64.b64encode(key)


def make_source(scheme: Scheme | str, *secrets: bytes) -> Source:
    return Source("source", SCHEMES[scheme] if isinstance(scheme, str) else scheme, secrets)


def judge(source: Source, request: Request, body: bytes, now: float) -> int | str:
    """The secret that signed it, or the named failure."""
    try:
        return source.verify(request, body, now)
    except InvalidSignature as error:
        return error.failure


def with_header(request: Request, name: str, *values: bytes) -> Request:
    """The request with these values of a header, instead of those that it has."""
    wanted = name.lower().encode()
    others = [(each, value) for each, value in request.headers if each != wanted]
    return request._replace(headers=[*others, *((wanted, value) for value in values)])


def signature_of(scheme: Scheme, vector: Vector) -> Signature:
    """The one that the vector has."""
    forms = {"whsec_": "whsec_", "whpk_": "whpk_"}
    return next(
        signature
        for signature in scheme.signatures
        if vector.request.values(signature.header.lower().encode())
        and vector.secret.startswith(forms.get(signature.key, ""))
    )


def header_of(scheme: Scheme, vector: Vector) -> bytes:
    """The value of the header with the signature."""
    [value] = vector.request.values(signature_of(scheme, vector).header.lower().encode())
    return value


def pieces(signature: Signature, value: bytes) -> list[bytes]:
    """The parts of such a header, as they are compared: hexadecimal digits in lower case."""
    split = value.split(signature.separator.encode()) if signature.separator else [value]
    prefix = signature.prefix.encode()
    is_hex = signature.encoding == "hex" and signature.digest != "token"
    found = []
    for piece in (each.strip() for each in split):
        if piece.startswith(prefix) or signature.prefix_is_optional:
            bare = piece.removeprefix(prefix)
            found.append(prefix + (bare.lower() if is_hex else bare))
        else:
            found.append(piece)
    return found


def needed_pieces(scheme: Scheme, vector: Vector) -> set[bytes]:
    """Those without which the vector is refused: the good signature, and a timestamp beside it."""
    signature = signature_of(scheme, vector)
    source = make_source(scheme, vector.secret.encode())
    value = header_of(scheme, vector)
    split = value.split(signature.separator.encode()) if signature.separator else [value]
    needed = []
    for piece in split:
        others = signature.separator.encode().join(each for each in split if each != piece)
        request = with_header(vector.request, signature.header, others)
        if judge(source, request, vector.body_bytes, vector.now) != 0:
            needed.append(piece)
    return {piece for each in needed for piece in pieces(signature, each)}


def is_honest(signature: Signature, needed: set[bytes], value: bytes) -> bool:
    """Whether a header must be accepted. Decided without the service's code."""
    found = pieces(signature, value)
    stamp = signature.timestamp.prefix if signature.timestamp else None
    stamps = [piece for piece in found if stamp and piece.startswith(stamp.encode())]
    prefix = b"" if signature.prefix_is_optional else signature.prefix.encode()
    candidates = [piece for piece in found if piece.startswith(prefix)]
    return needed <= set(found) and len(stamps) == (stamp is not None) and len(candidates) <= 16
