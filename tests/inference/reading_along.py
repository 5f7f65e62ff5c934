"""What a reader in another process does: verify whatever is published, over and over. Imports little: it is spawned."""

from __future__ import annotations

import time
from multiprocessing import Queue
from pathlib import Path

from tallystick.core import merkle
from tallystick.core.checkpoint import open_checkpoint
from tallystick.core.note import VerifierKey
from tallystick.inference.log import LogReader


def read_along(folder: str, vkey: str, seconds: float, found: Queue[tuple[int, int, str]]) -> None:
    """Put (proofs verified, size of the last checkpoint, what went wrong) when the time is up."""
    checked, last, fault = 0, 0, ""
    deadline = time.monotonic() + seconds
    key = VerifierKey.parse(vkey)
    try:
        with LogReader(Path(folder)) as reader:
            while time.monotonic() < deadline or not checked:
                note = reader.checkpoint()
                if note is None:
                    continue
                head = open_checkpoint(note, [key])
                assert head.size >= last, "the checkpoint went back"
                last = head.size
                for index in {0, head.size // 3, head.size - 1}:
                    entry = reader.entry(index)
                    assert entry == b"entry %d" % index, entry
                    path = reader.inclusion(index, head.size)
                    merkle.verify_inclusion(index, head.size, merkle.leaf_hash(entry), path, head.root)
                    checked += 1
                assert reader.size >= head.size, "the checkpoint is ahead of the log"
    except BaseException as error:  # noqa: BLE001  whatever it is, the test must hear of it
        fault = repr(error)
    found.put((checked, last, fault))
