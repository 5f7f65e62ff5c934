"""A bench's own server in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


class Child:
    """`python -m MODULE ARGUMENTS`, which says its port by `say_port`; ended by SIGTERM when left."""

    def __init__(self, module: str, arguments: list[str]) -> None:
        command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Child:
        assert self._child.stdout is not None
        self.port = int(self._child.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._child.send_signal(signal.SIGTERM)
        self._child.wait(60)
        assert self._child.stdout is not None
        self._child.stdout.close()

    def cpu_s(self) -> float:
        """Return the processor seconds used so far; 0 where the system does not say."""
        try:
            fields = Path(f"/proc/{self._child.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def say_port(_: str, port: int) -> None:
    """Tell the bench which port this server listens on."""
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
