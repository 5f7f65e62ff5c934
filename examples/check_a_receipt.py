"""Check somebody's receipt offline: `python check_a_receipt.py RECEIPT KEY`.

KEY is the log's key, NAME+ID+BASE64, as `tally log open` prints it to the operator and the LogAnchor contract holds it.
Take it from the chain, not from whoever hands you the receipt. Nothing is opened but the one file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.note import VerifierKey
from tallystick.core.receipt import Receipt


def main(path: Path, key: str) -> int:
    """Say what the receipt proves and return 0, or what is wrong with it and return 1."""
    try:
        receipt = Receipt.from_bytes(path.read_bytes())
        head = receipt.verify([VerifierKey.parse(key)])
    except (InvalidInput, VerificationFailed) as error:
        print(f"not a receipt of this log: {error} ({error.code})")
        return 1
    print(f"{receipt.entry!r} is entry {receipt.index} of the {head.size} in {head.origin}, root {head.root.hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
