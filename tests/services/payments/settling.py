"""A program whose children settle payments and may die by SIGKILL at a chosen point; run by test_crashes.py.

Each line of its input is a job. `count` children, forked so that the imports are paid once, settle the job's payment at
once; the answer is a line of how each ended and what the others said.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import tallystick.chain.embedded  # noqa: F401  what `connect` would import in every child
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
    """Answer each job."""
    for line in sys.stdin:
        job = json.loads(line)
        said = Path(job["folder"]) / "said"
        children = []
        for number in range(job["count"]):
            child = os.fork()
            if child == 0:
                Path(f"{said}{number}").write_text(settle(job))
                os._exit(0)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        words = [path.read_text() for number in range(job["count"]) if (path := Path(f"{said}{number}")).exists()]
        sys.stdout.write(json.dumps([codes, words]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
