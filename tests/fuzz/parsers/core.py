"""Parsers of `core`: documents, proofs, notes, signatures and names."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.core import amounts, canonical, dsse, eip712, ids, merkle, names
from tallystick.core.authorization import Authorization
from tallystick.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from tallystick.core.digest import parse_hex32, sha256
from tallystick.core.manifest import FileEntry, Manifest
from tallystick.core.note import SignedNote, VerifierKey
from tallystick.core.receipt import Receipt
from tallystick.core.record import Record, RecordKind
from tallystick.core.statement import IN_TOTO, Statement, Subject
from tallystick.core.ticket import BatchPromise, Ticket, ticket_domain
from tests.fuzz.targets import Target, of_json, of_text

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
LOG = VerifierKey("example.com/log", KEY.public_key().public_bytes_raw())
SECRET = b"\x07" * 32
DOMAIN = ticket_domain(31337, ids.checksum_address(b"\x11" * 20))
SIGNER = eip712.recover(bytes(32), eip712.sign_digest(SECRET, bytes(32)))
ENTRIES = [
    Record(RecordKind.PREDICTION, n, sha256(b"v"), bytes(16), bytes(16), *[bytes(32)] * 3).to_bytes() for n in range(7)
]
LEAVES = merkle.leaf_hashes(ENTRIES)
ROOT = merkle.root(LEAVES)
NOTE = sign_checkpoint(Checkpoint(LOG.name, len(ENTRIES), ROOT), KEY).to_bytes()
RECEIPT = Receipt(ENTRIES[4], 4, tuple(merkle.inclusion_path(LEAVES, 4)), NOTE)
STATEMENT = Statement((Subject("model@1", bytes(32)),), "https://example.com/p/v1", {"a": [1, "x", None, True]})


def _ticket() -> Ticket:
    promise = BatchPromise(3, 100, len(ENTRIES), ROOT, 1_700_000_000_000).signed(SECRET, DOMAIN)
    return Ticket(promise, 104, tuple(merkle.inclusion_path(LEAVES, 4)))


def _read_and_verify_envelope(data: bytes) -> dsse.Envelope:
    envelope = dsse.Envelope.from_bytes(data)
    envelope.verify([LOG.public])
    return envelope


def _read_and_verify_ticket(value: object) -> Ticket:
    ticket = Ticket.from_dict(value)
    ticket.verify(LEAVES[4], DOMAIN, SIGNER)
    return ticket


def _read_and_verify_receipt(data: bytes) -> Receipt:
    receipt = Receipt.from_bytes(data)
    receipt.verify([LOG])
    return receipt


def _read_and_verify_proof(data: bytes) -> Receipt:
    receipt = Receipt.from_tlog_proof(data, RECEIPT.entry)
    receipt.verify([LOG])
    return receipt


def _split(data: bytes) -> tuple[int, int, list[bytes]]:
    """Return two sizes and nodes of any length: the raw material of a proof."""
    first, second = (int.from_bytes(data[at : at + 8], "big", signed=True) for at in (0, 8))
    return first, second, [data[at : at + 32] for at in range(16, len(data), 32)]


def _join(first: int, second: int, path: list[bytes]) -> bytes:
    return b"".join([first.to_bytes(8, "big"), second.to_bytes(8, "big"), *path])


def _inclusion(data: bytes) -> None:
    index, size, path = _split(data)
    merkle.verify_inclusion(index, size, LEAVES[4], path, ROOT)


def _consistency(data: bytes) -> None:
    old, new, path = _split(data)
    merkle.verify_consistency(old, new, merkle.root(LEAVES[:3]), ROOT, path)


def _recover(data: bytes) -> str:
    return eip712.recover(data[:32], data[32:])


def _canonical(value: Any) -> bytes:
    return canonical.encode(value)


DOCUMENTS = [
    STATEMENT.to_bytes(),
    b'{"\xf0\x90\x80\x80":1,"\xef\xbf\xbf":[]}',
    b"[]",
    b'"\\u0000\\n"',
    b"-9007199254740991",
]

TARGETS = [
    Target("core.canonical", canonical.decode, lambda: DOCUMENTS, _canonical, exact=True),
    Target("core.json", canonical.parse, lambda: [*DOCUMENTS, b'{ "a" : [ 1 , "\\ud83d\\ude00" ] }'], _canonical),
    Target("core.note", SignedNote.from_bytes, lambda: [NOTE], SignedNote.to_bytes, exact=True),
    Target(
        "core.vkey", of_text(VerifierKey.parse), lambda: [str(LOG).encode()], lambda key: str(key).encode(), exact=True
    ),
    Target(
        "core.checkpoint",
        of_text(Checkpoint.parse),
        lambda: [NOTE.split(b"\n\n")[0] + b"\n"],
        lambda head: head.body.encode(),
        exact=True,
    ),
    Target("core.signed_checkpoint", lambda data: open_checkpoint(data, [LOG]), lambda: [NOTE]),
    Target(
        "core.envelope",
        _read_and_verify_envelope,
        lambda: [dsse.sign(IN_TOTO, STATEMENT.to_bytes(), KEY, "k").to_bytes()],
        dsse.Envelope.to_bytes,
    ),
    Target("core.statement", Statement.from_bytes, lambda: [STATEMENT.to_bytes()], Statement.to_bytes),
    Target(
        "core.manifest",
        Manifest.from_bytes,
        lambda: [Manifest.of(FileEntry(name, 3, bytes(32)) for name in ("a", "b/ä")).to_bytes()],
        Manifest.to_bytes,
        exact=True,
    ),
    Target("core.record", Record.from_bytes, lambda: ENTRIES[:1], Record.to_bytes, exact=True),
    Target(
        "core.ticket",
        of_json(_read_and_verify_ticket),
        lambda: [canonical.encode(_ticket().to_dict())],
        lambda ticket: canonical.encode(ticket.to_dict()),
    ),
    Target("core.receipt", _read_and_verify_receipt, lambda: [RECEIPT.to_bytes()], Receipt.to_bytes),
    Target("core.tlog_proof", _read_and_verify_proof, lambda: [RECEIPT.to_tlog_proof()], Receipt.to_tlog_proof),
    Target(
        "core.authorization",
        of_json(Authorization.from_dict),
        lambda: [canonical.encode(Authorization(SIGNER, SIGNER, 5, 0, 2**256 - 1, bytes(32)).to_dict())],
        lambda made: canonical.encode(made.to_dict()),
    ),
    Target("core.inclusion", _inclusion, lambda: [_join(4, 7, merkle.inclusion_path(LEAVES, 4))]),
    Target("core.consistency", _consistency, lambda: [_join(3, 7, merkle.consistency_path(LEAVES, 3))]),
    Target("core.signature", _recover, lambda: [bytes(32) + eip712.sign_digest(SECRET, bytes(32))]),
    Target(
        "core.name",
        of_text(names.check_name),
        lambda: [b"weights/part-1.bin", "ä/模型".encode()],
        str.encode,
        exact=True,
    ),
    Target("core.address", of_text(ids.parse_address), lambda: [SIGNER.encode(), SIGNER.lower().encode()], str.encode),
    Target(
        "core.reference",
        of_text(ids.ModelRef.parse),
        lambda: [b"7", b"7@3", b"7@production"],
        lambda ref: str(ref).encode(),
        exact=True,
    ),
    Target(
        "core.amount",
        of_text(amounts.parse_amount),
        lambda: [b"1.5", b"0"],
        lambda units: amounts.format_amount(units).encode(),
    ),
    Target("core.digest", of_text(parse_hex32), lambda: [ROOT.hex().encode()], lambda digest: digest.hex().encode()),
]
