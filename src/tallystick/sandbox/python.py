"""Run one Python program in the sandbox, after every wall has been tried."""

from __future__ import annotations

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SANDBOX_PROGRAM_BYTES_MAX
from tallystick.sandbox.bounds import Bounds
from tallystick.sandbox.probe import check_walls
from tallystick.sandbox.running import Outcome, run_within


def run_python(
    program: bytes, given: bytes = b"", bounds: Bounds | None = None, *, with_packages: bool = False
) -> Outcome:
    """Return how the program ended, after its end; nothing of it is left.

    program        Python source, at most 1 MiB; it has no threads
    given          its standard input
    with_packages  whether it may import the packages of this environment
    raises         InvalidInput "sandbox.program" for one too large, "sandbox.bounds";
                   Unavailable "sandbox.absent" where the walls cannot be made, "sandbox.leaks" where one does not hold
    """
    if len(program) > SANDBOX_PROGRAM_BYTES_MAX:
        raise InvalidInput(
            "sandbox.program",
            "the program is too large",
            expected=f"at most {SANDBOX_PROGRAM_BYTES_MAX} bytes",
            got=f"{len(program)} bytes",
        )
    check_walls()
    return run_within(program, given, bounds or Bounds(), with_packages=with_packages)
