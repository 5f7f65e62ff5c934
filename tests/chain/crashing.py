"""A program that sends one call through an outbox and dies by SIGKILL at a chosen point; run by test_outbox_kill.py.

It reads jobs as JSON lines, forks a child for each (so that the imports are paid once) and answers with how the child
ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_policy import OutboxPolicy, Patience


def send(job: dict[str, str]) -> None:
    """Send the job's call and wait for it, unless death comes first."""
    left = int(job["visit"])

    def fault(point: str) -> None:
        nonlocal left
        if point == job["point"]:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    policy = OutboxPolicy(patience=Patience(bump_after_s=float(job["bump_after_s"])), final_depth=2)
    box = Outbox(
        Path(job["path"]), connect(job["url"]), Account(bytes.fromhex(job["secret"])), policy=policy, faults=fault
    )
    row = box.send(Call(job["to"], b"", 7), key="pay")
    box.node.request("anvil_mine", ["0x1"], lambda value, what: value)
    if job["bump_after_s"] == "0":
        box.work()
    box.node.request("anvil_mine", ["0x4"], lambda value, what: value)
    box.wait(row, 10.0, until="final")


def main() -> None:
    """Answer each line of standard input."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            send(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
