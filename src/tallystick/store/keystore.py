"""Web3 Secret Storage version 3: 32 secret bytes under a passphrase, as every Ethereum tool reads and writes them.

    key        = scrypt or PBKDF2-HMAC-SHA256 of the passphrase, 32 bytes
    ciphertext = AES-128-CTR of the secret under key[:16]
    mac        = Keccak-256(key[16:32] ‖ ciphertext)

Written over `cryptography` instead of imported from `eth_keyfile`, which costs 0.9 s to load, trusts the work factors
of a foreign file and gives every secret a secp256k1 address; the tests hold the two against each other.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any, cast

from Crypto.Protocol.KDF import scrypt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from tallystick.core.digest import keccak
from tallystick.core.documents import digest, hexed, integer, text, typed
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import PBKDF2_ROUNDS_MAX, SCRYPT_BYTES_MAX, SCRYPT_PARALLEL_MAX

_SALT_BYTES_MAX = 128


def seal(secret: bytes, passphrase: bytes, scrypt_n: int) -> dict[str, Any]:
    """Return the `crypto` member that hides `secret`, 32 bytes, with fresh salt and counter."""
    assert len(secret) == 32
    salt, counter = secrets.token_bytes(32), secrets.token_bytes(16)
    key = _scrypt(passphrase, salt, scrypt_n, 8, 1)
    ciphertext = _aes_ctr(key[:16], counter, secret)
    return {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": counter.hex()},
        "ciphertext": ciphertext.hex(),
        "kdf": "scrypt",
        "kdfparams": {"dklen": 32, "n": scrypt_n, "p": 1, "r": 8, "salt": salt.hex()},
        "mac": keccak(key[16:] + ciphertext).hex(),
    }


def unseal(crypto: object, passphrase: bytes) -> bytes:
    """Return the 32 secret bytes.

    raises  InvalidInput "keys.passphrase" when the passphrase is wrong (or the file damaged: the two look the same),
            "keys.cipher", "keys.kdf" for what version 3 does not define or costs too much, "document.…" when malformed
    """
    found = typed(crypto, dict, "keystore crypto")
    if found.get("cipher") != "aes-128-ctr":
        raise InvalidInput("keys.cipher", "keystore cipher is not known", expected="aes-128-ctr")
    counter = hexed(typed(found.get("cipherparams"), dict, "cipherparams").get("iv"), "keystore iv", 16)
    ciphertext = digest(found.get("ciphertext"), "keystore ciphertext")
    mac = digest(found.get("mac"), "keystore mac")
    if len(counter) != 16:
        raise InvalidInput("keys.cipher", "keystore iv has a wrong length", expected=16, got=len(counter))
    key = _derive(found, passphrase)
    if not hmac.compare_digest(keccak(key[16:] + ciphertext), mac):
        raise InvalidInput(
            "keys.passphrase", "the passphrase does not open this key", hint="try again; a damaged file looks the same"
        )
    return _aes_ctr(key[:16], counter, ciphertext)


def _derive(crypto: dict[str, Any], passphrase: bytes) -> bytes:
    """Return the 32-byte key, after refusing work that could not be meant."""
    params = typed(crypto.get("kdfparams"), dict, "kdfparams")
    integer(params.get("dklen"), "kdf dklen", 32, 32)
    salt = hexed(params.get("salt"), "kdf salt", _SALT_BYTES_MAX)
    match text(crypto.get("kdf"), "kdf", 16):
        case "scrypt":
            n = integer(params.get("n"), "scrypt n", 2, 2**30)
            r = integer(params.get("r"), "scrypt r", 1, 64)
            p = integer(params.get("p"), "scrypt p", 1, SCRYPT_PARALLEL_MAX)
            if n & (n - 1) or 128 * n * r > SCRYPT_BYTES_MAX:
                raise InvalidInput(
                    "keys.kdf", "scrypt work is out of range", expected=f"≤ {SCRYPT_BYTES_MAX} bytes, n a power of two"
                )
            return _scrypt(passphrase, salt, n, r, p)
        case "pbkdf2":
            rounds = integer(params.get("c"), "pbkdf2 c", 1, PBKDF2_ROUNDS_MAX)
            if params.get("prf") != "hmac-sha256":
                raise InvalidInput("keys.kdf", "pbkdf2 prf is not known", expected="hmac-sha256")
            return PBKDF2HMAC(SHA256(), length=32, salt=salt, iterations=rounds).derive(passphrase)
    raise InvalidInput("keys.kdf", "key derivation is not known", expected="scrypt or pbkdf2")


def _scrypt(passphrase: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    """Return the 32-byte key of RFC 7914.

    PyCryptodome's, since OpenSSL keeps to the RFC's n < 2**(16 r) and so cannot open the format's own test vector.
    """
    # latin-1: the library passes strings through as these very bytes, but is typed for strings alone
    return cast(bytes, scrypt(passphrase.decode("latin-1"), salt.decode("latin-1"), 32, n, r, p))


def _aes_ctr(key: bytes, counter: bytes, data: bytes) -> bytes:
    step = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return step.update(data) + step.finalize()
