"""Every bound in one place: name, unit, value, reason. Nothing outside the process is trusted to be small."""

from __future__ import annotations

from typing import Final

# --- encoding
CANONICAL_DEPTH_MAX: Final = 64  # nesting levels; deeper JSON is an attack on recursion, no document of ours passes 8
CANONICAL_BYTES_MAX: Final = 16 * 2**20  # one signed document; larger evidence is a blob named by digest
SAFE_INTEGER_MAX: Final = 2**53 - 1  # RFC 8785 / IEEE 754: larger integers change when other tools read them

# --- Merkle
PROOF_NODES_MAX: Final = 63  # RFC 9162: a tree of 2**63 leaves, the most a proof can need
TREE_SIZE_MAX: Final = 2**63 - 1  # C2SP tlog-tiles sizes fit a signed 64-bit integer

# --- signed notes (C2SP)
NOTE_BYTES_MAX: Final = 64 * 2**10  # sixteen ML-DSA-44 lines of 3.2 kB fit
NOTE_SIGNATURES_MAX: Final = 64  # signed-note asks for at least 16
NOTE_NAME_BYTES_MAX: Final = 255  # one length byte in the ML-DSA cosignature message

# --- log entries (C2SP tlog-tiles)
ENTRY_BYTES_MAX: Final = 65_535  # u16 length prefix in an entry bundle
TILE_WIDTH: Final = 256  # hashes in a full tile, entries in a full bundle

# --- manifests
MANIFEST_FILES_MAX: Final = 100_000  # files of one model version
NAME_BYTES_MAX: Final = 1_024  # a file or tensor name
TENSORS_MAX: Final = 100_000  # the largest published models have about 20,000
SAFETENSORS_HEADER_BYTES_MAX: Final = 100 * 2**20  # the format's own limit
PARENTS_MAX: Final = 8  # the contract's loop bound

# --- statements
SUBJECTS_MAX: Final = 1_024  # in-toto subjects of one statement
SIGNATURES_MAX: Final = 16  # DSSE signatures of one envelope
