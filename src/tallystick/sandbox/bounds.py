"""What one sandboxed program may use. Each is a wall of the kernel's, not a request to the program."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SANDBOX_CPU_S_MAX, SANDBOX_MEMORY_BYTES_MAX, SANDBOX_OUTPUT_BYTES_MAX


@dataclass(frozen=True)
class Bounds:
    """What one program may use.

    cpu_s         seconds of processor time; at most an hour
    wall_s        seconds until it is killed, whatever it did; waiting counts
    memory_bytes  address space: Python alone takes about 20 MB, with NumPy 300 MB; at most 16 GiB
    files_bytes   of all that it writes into its own folder, which lies in memory; names of empty files are beside it:
                  processor time bounds them, some 50 MB a second
    output_bytes  of its standard output, and as much of its standard error; at most 64 MiB
    """

    cpu_s: int = 10
    wall_s: float = 30.0
    memory_bytes: int = 512 * 2**20
    files_bytes: int = 64 * 2**20
    output_bytes: int = 2**20

    def __post_init__(self) -> None:
        """Raises InvalidInput "sandbox.bounds" for a bound below one or above its limit."""
        highest = {
            "cpu_s": SANDBOX_CPU_S_MAX,
            "wall_s": 2 * SANDBOX_CPU_S_MAX,
            "memory_bytes": SANDBOX_MEMORY_BYTES_MAX,
            "files_bytes": SANDBOX_MEMORY_BYTES_MAX,
            "output_bytes": SANDBOX_OUTPUT_BYTES_MAX,
        }
        for bound in fields(self):
            value, limit = getattr(self, bound.name), highest[bound.name]
            if not 0 < value <= limit:
                raise InvalidInput(
                    "sandbox.bounds",
                    f"{bound.name} is out of range",
                    expected=f"more than 0, at most {limit}",
                    got=value,
                )
