"""A durable Merkle log in C2SP tlog-tiles form.

`Log` writes and `LogReader` reads, also from other processes. Start with `writer`, then `recovery` for what happens
after a crash; `frames` and `levels` say what is on the disk.
"""

from tallystick.inference.log.auditing import Audit, Fault, audit
from tallystick.inference.log.checking import fsck
from tallystick.inference.log.exporting import Exported, export, log_prefix
from tallystick.inference.log.files import Files, file_system
from tallystick.inference.log.pending import Batch, Pending
from tallystick.inference.log.reader import LogReader
from tallystick.inference.log.static import TileReader, read_checkpoint
from tallystick.inference.log.tiles import TileName
from tallystick.inference.log.writer import Log

__all__ = [
    "Audit",
    "Batch",
    "Exported",
    "Fault",
    "Files",
    "Log",
    "LogReader",
    "Pending",
    "TileName",
    "TileReader",
    "audit",
    "export",
    "file_system",
    "fsck",
    "log_prefix",
    "read_checkpoint",
]
