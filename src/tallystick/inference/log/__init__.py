"""A durable Merkle log in C2SP tlog-tiles form.

`Log` writes and `LogReader` reads, also from other processes. Start with `writer`, then `recovery` for what happens
after a crash; `frames` and `levels` say what is on the disk.
"""

from tallystick.inference.log.files import Files, file_system
from tallystick.inference.log.pending import Batch, Pending
from tallystick.inference.log.reader import LogReader
from tallystick.inference.log.tiles import TileName, bundle_name, tiles_of
from tallystick.inference.log.writer import Log

__all__ = ["Batch", "Files", "Log", "LogReader", "Pending", "TileName", "bundle_name", "file_system", "tiles_of"]
