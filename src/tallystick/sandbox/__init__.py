"""The sandbox: a Python program of somebody else runs here, sees nothing of this machine, and ends within its bounds.

bounds      what one program may use
syscalls    which system calls it may make
bubble      its file system and namespaces, by bubblewrap
running     run one program and take what it answers
probe       try every wall from inside; a wall that is missing means that nothing runs
python      the way in: a Python program runs once every wall has held

Linux only: the walls are the kernel's. None of this makes hostile native code safe against a fault of the kernel
itself; who must fear that puts a virtual machine around it.
"""

from __future__ import annotations

from tallystick.sandbox.bounds import Bounds
from tallystick.sandbox.probe import Wall, check_walls
from tallystick.sandbox.python import run_python
from tallystick.sandbox.running import Outcome

__all__ = ["Bounds", "Outcome", "Wall", "check_walls", "run_python"]
