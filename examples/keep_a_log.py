"""Keep a log of your own events and give out a receipt: `python keep_a_log.py FOLDER`.

Works in the workspace that record_a_model.py made in FOLDER. Appends a thousand events, anchors the log's head on the
chain, publishes the log for auditors, and writes the receipt of one event to FOLDER/receipt.json. Prints the log's key.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tallystick


def main(folder: Path) -> int:
    """Write, anchor and publish a log; leave the receipt of event 700."""
    with tallystick.open(folder / ".tally") as tally:
        tally.inference.open("events", bodies=False)
        with tally.inference.writer("events") as log:
            waiting = [log.append(f"event {number}".encode()) for number in range(1_000)]
            for pending in waiting:
                pending.result()  # returns once the event is on the disk
            log.checkpoint()
        anchored = tally.inference.anchorer("events").anchor()
        tally.inference.export("events")
        receipt = tally.inference.receipt(700, "events")
        (folder / "receipt.json").write_bytes(receipt.to_bytes())
        print(f"anchored {anchored.size if anchored else 'nothing new'}", file=sys.stderr)
        print(tally.inference.verifier_key("events"))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
