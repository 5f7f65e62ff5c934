"""Keys at rest: encrypted files in one folder, opened by a passphrase that only a caller's port can supply.

Two kinds live here, in the same Web3 Secret Storage v3 form: `secp256k1` accounts that sign transactions and tickets,
and `ed25519` signers that sign checkpoints and statements. The embedded chain may also have *development* keys, whose
passphrase is public and stands in the file; they are refused for every other chain. Secrets never enter a repr, a
log or an exception. The cryptography is in keystore.py.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from coincurve import PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.core.canonical import parse
from tallystick.core.digest import parse_hex32
from tallystick.core.documents import members, typed
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.ids import address_of_public_key, parse_address
from tallystick.core.limits import KEYS_MAX, KEYSTORE_BYTES_MAX, PASSPHRASE_BYTES_MAX, SCRYPT_N, SCRYPT_N_DEVELOPMENT
from tallystick.store.files import make_folder, read_bounded, safe_join, write_atomic
from tallystick.store.keystore import seal, unseal

Kind = Literal["secp256k1", "ed25519"]
# Asked with the key's name; it prompts or reads a file: a passphrase is never in argv nor in the environment.
PassphrasePort = Callable[[str], str]

DEVELOPMENT_PASSPHRASE: Final = "public: worth nothing outside a local chain"  # noqa: S105 - public on purpose

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z", re.ASCII)
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1


class SecretKey:
    """A secp256k1 secret, shown as its address; `reveal()` is the one way to the 32 bytes."""

    __slots__ = ("__secret", "address")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < _ORDER:
            raise InvalidInput("keys.secret", "not a secp256k1 secret", expected="32 bytes in the group's order")
        self.__secret = secret
        self.address = address_of_public_key(PublicKey.from_secret(secret).format(compressed=False)[1:])

    def reveal(self) -> bytes:
        """Return the 32 secret bytes; keep them no longer than one signature takes."""
        return self.__secret

    def __repr__(self) -> str:
        return f"SecretKey({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a secret key cannot be pickled")


@dataclass(frozen=True)
class KeyInfo:
    """What may be known of a key without its passphrase.

    public       the checksum address of an account, the 64 hex digits of a signer's public key
    development  whether its passphrase is public: good for the embedded chain alone
    """

    name: str
    kind: Kind
    public: str
    development: bool = False


class Keyring:
    """The keys in `folder`, one file each.

    scrypt_n  the work that guards new keys; existing files say their own
    """

    def __init__(self, folder: Path, *, scrypt_n: int = SCRYPT_N) -> None:
        self.folder = folder
        self._scrypt_n = scrypt_n

    # --- look

    def list(self) -> tuple[KeyInfo, ...]:
        """Return what is known of every key, by name; no passphrase is needed.

        raises  as `info` for any file `*.json` in the folder; InvalidInput "keys.many"
        """
        names = sorted(path.stem for path in self.folder.glob("*.json")) if self.folder.is_dir() else []
        if len(names) > KEYS_MAX:
            raise InvalidInput("keys.many", "too many keys in one folder", expected=f"≤ {KEYS_MAX}", got=len(names))
        return tuple(self.info(name) for name in names)

    def info(self, name: str) -> KeyInfo:
        """Return what is known of the key `name`.

        raises  InvalidInput "keys.name", "keys.missing", "files.permissions", "keys.version" or a malformed file's own
        """
        return self._load(name)[0]

    # --- make

    def create_account(self, name: str, passphrase: PassphrasePort) -> KeyInfo:
        """Make a new secp256k1 key and keep it under `name`.

        raises  InvalidInput "keys.name", "keys.exists", "keys.weak" for an empty passphrase
        """
        return self.import_account(name, _new_account_secret(), passphrase)

    def create_signer(self, name: str, passphrase: PassphrasePort) -> KeyInfo:
        """Make a new Ed25519 key and keep it under `name`; errors as `create_account`."""
        return self.import_signer(name, secrets.token_bytes(32), passphrase)

    def import_account(self, name: str, secret: bytes, passphrase: PassphrasePort) -> KeyInfo:
        """Keep a secp256k1 secret made elsewhere; also raises InvalidInput "keys.secret"."""
        return self._store(_info_of(name, "secp256k1", secret), secret, passphrase)

    def import_signer(self, name: str, seed: bytes, passphrase: PassphrasePort) -> KeyInfo:
        """Keep an Ed25519 seed (RFC 8032, 32 bytes) made elsewhere; also raises InvalidInput "keys.secret"."""
        return self._store(_info_of(name, "ed25519", seed), seed, passphrase)

    def import_keystore(self, name: str, document: bytes, passphrase: PassphrasePort) -> KeyInfo:
        """Keep the account in a v3 file of another wallet, encrypted anew under the same passphrase.

        raises  InvalidInput "keys.passphrase" and as `import_account`, or a malformed document's own
        """
        found = _read_document(document)
        entered = _ask(passphrase, name)
        return self.import_account(name, unseal(found.get("crypto"), entered), lambda _: entered.decode())

    # --- open

    def account(self, name: str, passphrase: PassphrasePort, *, chain_is_embedded: bool) -> SecretKey:
        """Return the account `name`; the port is not asked for a development key.

        raises  InvalidInput "keys.passphrase", "keys.kind", "keys.development" for a development key on any chain but
                the embedded one; VerificationFailed "keys.public" when the file claims another key; as `info`
        """
        return SecretKey(self._open(name, "secp256k1", passphrase, chain_is_embedded))

    def signer(self, name: str, passphrase: PassphrasePort, *, chain_is_embedded: bool) -> Ed25519PrivateKey:
        """Return the Ed25519 signer `name`; as `account`."""
        return Ed25519PrivateKey.from_private_bytes(self._open(name, "ed25519", passphrase, chain_is_embedded))

    def development_account(self, name: str = "development", *, chain_is_embedded: bool) -> SecretKey:
        """Return the development account `name`, made on first use; the chain must be the embedded one.

        raises  InvalidInput "keys.development" otherwise, or when `name` is a key with a passphrase of its own
        """
        return SecretKey(self._development(name, "secp256k1", _new_account_secret, chain_is_embedded))

    def development_signer(self, name: str, *, chain_is_embedded: bool) -> Ed25519PrivateKey:
        """Return the development signer `name`, made on first use; as `development_account`."""
        seed = self._development(name, "ed25519", _new_seed, chain_is_embedded)
        return Ed25519PrivateKey.from_private_bytes(seed)

    # --- inside

    def _development(self, name: str, kind: Kind, new_secret: Callable[[], bytes], chain_is_embedded: bool) -> bytes:
        _check_development_allowed(name, chain_is_embedded)
        if not self._path(name).exists():
            secret = new_secret()
            info = _info_of(name, kind, secret, development=True)
            try:
                self._store(info, secret, lambda _: DEVELOPMENT_PASSPHRASE)
            except InvalidInput as error:
                if error.code != "keys.exists":  # another process made it just now: use theirs
                    raise
        return self._open(name, kind, _no_passphrase, chain_is_embedded)

    def _open(self, name: str, kind: Kind, passphrase: PassphrasePort, chain_is_embedded: bool) -> bytes:
        info, document = self._load(name)
        if info.kind != kind:
            raise InvalidInput("keys.kind", f"key {name!r} is of another kind", expected=kind, got=info.kind)
        if info.development:
            _check_development_allowed(name, chain_is_embedded)
            secret = unseal(document.get("crypto"), DEVELOPMENT_PASSPHRASE.encode())
        else:
            secret = unseal(document.get("crypto"), _ask(passphrase, name))
        actual = _info_of(name, kind, secret).public
        if actual != info.public:
            raise VerificationFailed(
                "keys.public", f"key {name!r} is not what its file says", expected=info.public, got=actual
            )
        return secret

    def _store(self, info: KeyInfo, secret: bytes, passphrase: PassphrasePort) -> KeyInfo:
        path = self._path(info.name)
        if path.exists():
            raise _exists_error(info.name)
        work = SCRYPT_N_DEVELOPMENT if info.development else self._scrypt_n
        note: dict[str, Any] = {"kind": info.kind, "public": info.public}
        document: dict[str, Any] = {"crypto": seal(secret, _ask(passphrase, info.name), work)}
        if info.kind == "secp256k1":
            document["address"] = info.public[2:].lower()  # as other wallets write it
        if info.development:
            note |= {"development": True, "passphrase": DEVELOPMENT_PASSPHRASE}
        document |= {"id": str(uuid.uuid4()), "tallystick": note, "version": 3}
        make_folder(self.folder, mode=0o700)
        try:
            write_atomic(path, json.dumps(document, indent=2, sort_keys=True).encode() + b"\n", mode=0o600, new=True)
        except InvalidInput as error:
            raise (_exists_error(info.name) if error.code == "files.exists" else error) from None
        return info

    def _load(self, name: str) -> tuple[KeyInfo, dict[str, Any]]:
        path = self._path(name)
        if not path.exists():
            raise InvalidInput("keys.missing", f"there is no key {name!r}", hint="`tally key list` shows what there is")
        document = _read_document(read_bounded(path, KEYSTORE_BYTES_MAX, private=True))
        return _read_info(name, document), document

    def _path(self, name: str) -> Path:
        if not _NAME.match(name):
            raise InvalidInput(
                "keys.name",
                "not a key name",
                expected="a-z, 0-9, dots, dashes, underscores; at most 64",
                got=ascii(name)[:80],
            )
        return safe_join(self.folder, f"{name}.json")


def _info_of(name: str, kind: Kind, secret: bytes, development: bool = False) -> KeyInfo:
    """Return what may be known of `secret`; raises InvalidInput "keys.secret"."""
    if kind == "secp256k1":
        return KeyInfo(name, kind, SecretKey(secret).address, development)
    if len(secret) != 32:
        raise InvalidInput("keys.secret", "not an Ed25519 seed", expected="32 bytes", got=f"{len(secret)} bytes")
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw().hex()
    return KeyInfo(name, kind, public, development)


def _read_document(data: bytes) -> dict[str, Any]:
    """Return a v3 file as an object with its outer keys in lower case, since some wallets write `Crypto`."""
    found = typed(parse(data, "keystore"), dict, "keystore")
    document = {key.lower(): value for key, value in found.items()}
    version = document.get("version")
    if type(version) is not int or version != 3:
        raise InvalidInput("keys.version", "not a version 3 keystore", expected=3, got=ascii(version)[:40])
    return document


def _read_info(name: str, document: dict[str, Any]) -> KeyInfo:
    """Return what the file says of its key; a wallet's own file without our note is an account by its address."""
    if "tallystick" not in document:
        address = document.get("address")
        return KeyInfo(name, "secp256k1", parse_address(f"0x{address}" if len(str(address)) == 40 else address))
    note = members(document["tallystick"], "key note", ("kind", "public"), ("development", "passphrase"))
    development = typed(note.get("development", False), bool, "development mark")
    if note["kind"] == "secp256k1":
        return KeyInfo(name, "secp256k1", parse_address(note["public"]), development)
    if note["kind"] == "ed25519":
        return KeyInfo(name, "ed25519", parse_hex32(note["public"], "public key").hex(), development)
    raise InvalidInput(
        "keys.kind", "key is of an unknown kind", expected="secp256k1 or ed25519", got=ascii(note["kind"])[:40]
    )


def _ask(passphrase: PassphrasePort, name: str) -> bytes:
    entered = passphrase(name).encode()
    if not 0 < len(entered) <= PASSPHRASE_BYTES_MAX:
        raise InvalidInput(
            "keys.weak", "the passphrase is empty or too long", expected=f"1 to {PASSPHRASE_BYTES_MAX} bytes"
        )
    return entered


def _no_passphrase(name: str) -> str:
    raise InvalidInput(
        "keys.development", f"key {name!r} is not a development key", hint="open it by name, with its passphrase"
    )


def _check_development_allowed(name: str, chain_is_embedded: bool) -> None:
    if not chain_is_embedded:
        raise InvalidInput(
            "keys.development",
            f"key {name!r} is a development key: its passphrase is public and it is good for the embedded chain alone",
            hint="`tally key new NAME` makes a key of your own",
        )


def _exists_error(name: str) -> InvalidInput:
    return InvalidInput(
        "keys.exists", f"there is a key {name!r} already", hint="choose another name; keys are never replaced"
    )


def _new_account_secret() -> bytes:
    """Return a fresh secret below the group's order; the loop ends at once but for one chance in 2**127."""
    while True:
        secret = secrets.token_bytes(32)
        if 0 < int.from_bytes(secret, "big") < _ORDER:
            return secret


def _new_seed() -> bytes:
    return secrets.token_bytes(32)
