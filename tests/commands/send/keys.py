"""A secret for each scheme: what the provider signs with, and what the service verifies with."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.sources.scheme import Scheme, load_schemes

SCHEMES = load_schemes(None)
SEED = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()


def secrets_of(scheme: Scheme) -> tuple[str, str]:
    """(the provider's, the service's); the same unless the provider has a private key."""
    signature = scheme.signatures[0]
    if not scheme.is_asymmetric:
        secrets = {
            "text": "a secret of the tests",
            "hex": SEED.hex(),
            "base64": base64.b64encode(SEED).decode(),
            "whsec_": f"whsec_{base64.b64encode(SEED).decode()}",
        }
        return (secrets[signature.key],) * 2
    if signature.key == "hex":
        return SEED.hex(), PUBLIC.hex()
    return base64.b64encode(SEED).decode(), base64.b64encode(PUBLIC).decode()
