"""Digests: how a key is read, and whether a signature in a header is that of the content."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Protocol

from service.errors import SettingsError
from service.sources.scheme import Scheme, Signature

ED25519_BYTES = 64
"""Of a signature (RFC 8032, 5.1.6)."""
KEY_BYTES = 32


class Digest(Protocol):
    """One key, ready to use."""

    def fits(self, candidate: bytes) -> bool:
        """Whether a candidate could be a signature at all."""

    def matches(self, content: bytes, candidates: Sequence[bytes]) -> bool:
        """Whether one of the candidates is the content's signature, compared in constant time."""

    def sign(self, content: bytes) -> bytes:
        """The signature as the header has it."""


class Token:
    """No digest: the header holds the secret itself."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def fits(self, candidate: bytes) -> bool:
        return bool(candidate)

    def matches(self, content: bytes, candidates: Sequence[bytes]) -> bool:
        return any(hmac.compare_digest(self._secret, candidate) for candidate in candidates)

    def sign(self, content: bytes) -> bytes:
        return self._secret


class Hmac:
    """RFC 2104. The expected signature is written as the header writes it, and then compared.

    The two hashes have read the key already, which halves the time of a short content.
    """

    def __init__(self, key: bytes, algorithm: str, encoding: str) -> None:
        block_bytes = hashlib.new(algorithm).block_size
        if len(key) > block_bytes:
            key = hashlib.new(algorithm, key).digest()
        padded = key.ljust(block_bytes, b"\0")
        self._inner = hashlib.new(algorithm, padded.translate(hmac.trans_36))
        self._outer = hashlib.new(algorithm, padded.translate(hmac.trans_5C))
        self._is_hex = encoding == "hex"
        self._length = len(self.sign(b""))

    def fits(self, candidate: bytes) -> bool:
        return len(candidate) == self._length and _decode(candidate, self._is_hex) is not None

    def matches(self, content: bytes, candidates: Sequence[bytes]) -> bool:
        expected = self.sign(content)
        for candidate in candidates:
            written = candidate.lower() if self._is_hex else candidate
            if hmac.compare_digest(expected, written):
                return True
        return False

    def sign(self, content: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return _encode(outer.digest(), self._is_hex)


class Ed25519:
    """RFC 8032. `key` is the public key that verifies, or the private one that signs."""

    def __init__(self, key: bytes, encoding: str, is_private: bool = False) -> None:
        try:
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric import ed25519
        except ImportError:
            raise SettingsError(
                "Ed25519 needs the package cryptography: pip install 'webhook-service[ed25519]'"
            ) from None
        self._failure = InvalidSignature
        self._is_hex = encoding == "hex"
        if is_private:
            private = ed25519.Ed25519PrivateKey.from_private_bytes(key)
            self._sign = private.sign
            self._verify = private.public_key().verify
        else:
            self._verify = ed25519.Ed25519PublicKey.from_public_bytes(key).verify

    def fits(self, candidate: bytes) -> bool:
        return self._read(candidate) is not None

    def matches(self, content: bytes, candidates: Sequence[bytes]) -> bool:
        return any(self._is_signature(content, candidate) for candidate in candidates)

    def sign(self, content: bytes) -> bytes:
        return _encode(self._sign(content), self._is_hex)

    def _is_signature(self, content: bytes, candidate: bytes) -> bool:
        signature = self._read(candidate)
        try:
            return signature is not None and self._verify(signature, content) is None
        except self._failure:
            return False

    def _read(self, candidate: bytes) -> bytes | None:
        signature = _decode(candidate, self._is_hex)
        return signature if signature and len(signature) == ED25519_BYTES else None


def make_digests(
    scheme: Scheme, secret: bytes, is_private: bool = False
) -> list[tuple[Signature, Digest]]:
    """Each signature of the scheme whose key the secret can be, and its digest.

    `is_private`: the secret signs; of Ed25519 it is the private key. Raises ValueError with what
    the secret must be, and SettingsError if Ed25519 is not installed.
    """
    made, rules = [], []
    for signature in scheme.signatures:
        try:
            made.append((signature, _make_digest(signature, secret, is_private)))
        except ValueError as error:
            rules.append(str(error))
    if not made:
        raise ValueError(", or ".join(dict.fromkeys(rules)))
    return made


def _make_digest(signature: Signature, secret: bytes, is_private: bool) -> Digest:
    if signature.digest == "ed25519":
        return Ed25519(
            _read_ed25519_key(signature.key, secret, is_private), signature.encoding, is_private
        )
    key = _KEYS[signature.key](secret)
    if not key:
        raise ValueError("not empty")
    if signature.digest == "token":
        return Token(key)
    return Hmac(key, signature.digest.removeprefix("hmac-"), signature.encoding)


def _read_ed25519_key(form: str, secret: bytes, is_private: bool) -> bytes:
    key = _KEYS["whsk_" if form == "whpk_" and is_private else form](secret)
    if is_private and len(key) == 2 * KEY_BYTES:
        key = key[:KEY_BYTES]  # the seed, and after it the public key
    if len(key) != KEY_BYTES:
        kind = "private" if is_private else "public"
        raise ValueError(f"the {KEY_BYTES} bytes of a {kind} key of Ed25519")
    return key


def _read_base64(secret: bytes) -> bytes:
    """Padded or not."""
    bare = secret.rstrip(b"=")
    try:
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        raise ValueError("base64") from None


def _read_hex(secret: bytes) -> bytes:
    try:
        return binascii.unhexlify(secret)
    except binascii.Error:
        raise ValueError("hexadecimal digits") from None


def _read_after(prefix: bytes) -> Callable[[bytes], bytes]:
    """A reader of keys that Standard Webhooks writes: what they are, and base64."""

    def read(secret: bytes) -> bytes:
        try:
            if secret.startswith(prefix):
                return _read_base64(secret.removeprefix(prefix))
        except ValueError:
            pass
        raise ValueError(f"{prefix.decode()} and base64")

    return read


_KEYS: dict[str, Callable[[bytes], bytes]] = {
    "text": bytes,
    "hex": _read_hex,
    "base64": _read_base64,
    "whsec_": _read_after(b"whsec_"),
    "whpk_": _read_after(b"whpk_"),
    "whsk_": _read_after(b"whsk_"),
}


def _encode(digest: bytes, is_hex: bool) -> bytes:
    return binascii.hexlify(digest) if is_hex else binascii.b2a_base64(digest, newline=False)


def _decode(candidate: bytes, is_hex: bool) -> bytes | None:
    """The bytes of a signature that `_encode` writes like this, but for the case of hex."""
    try:
        if is_hex:
            return binascii.unhexlify(candidate)
        decoded = binascii.a2b_base64(candidate, strict_mode=True)
        return decoded if _encode(decoded, is_hex) == candidate else None
    except binascii.Error:
        return None
