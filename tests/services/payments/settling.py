"""A program that settles one payment and may die by SIGKILL at a chosen point; run by test_crashes.py.

    settling.py JOB.json COUNT

COUNT processes, forked after the imports, settle the job's payment at once; each writes what came of it as a line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from tallystick.agents.payments.failures import Failures
from tallystick.agents.payments.settling import ExactScheme
from tallystick.agents.payments.verifying import Allowed
from tallystick.agents.payments.wire import Payment
from tallystick.chain.accounts import Account
from tallystick.chain.connect import connect
from tallystick.chain.outbox import Outbox


def settle(job: dict[str, str]) -> str:
    """Return what came of the job's payment, unless death comes first."""

    def fault(point: str) -> None:
        if point == job["point"]:
            os.kill(os.getpid(), signal.SIGKILL)

    folder = Path(job["folder"])
    outbox = Outbox(folder / "outbox.db", connect(job["chain"]), Account(b"\x63" * 32), faults=fault)
    payment = Payment.read(json.loads(job["payment"]))
    allowed = Allowed(frozenset({job["token"]}))
    scheme = ExactScheme(outbox, allowed, Failures(folder / "failures.db"), time.time)
    return repr(scheme.settle(payment, payment.accepted))


def main() -> None:
    """Fork, settle, and say how each child ended."""
    job = json.loads(Path(sys.argv[1]).read_text())
    children = []
    for number in range(int(sys.argv[2])):
        child = os.fork()
        if child == 0:
            Path(f"{sys.argv[1]}.{number}").write_text(settle(job))
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.stdout.write(json.dumps(codes))


if __name__ == "__main__":
    main()
