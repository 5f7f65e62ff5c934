"""Writers that are killed: forks processes that send to one file, kills each, tells what it had been told.

python crash_writer.py CHAIN_FILE ROUNDS BATCH SEED...      one writer for each seed at a time, ROUNDS times over

Prints one JSON object: for each seed, the transactions whose acknowledgement its writers had printed when they died.
Forking after the imports saves seconds a round; the chain file is opened after the fork, as it must be.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tallystick.chain.embedded import EmbeddedProvider
from tallystick.core.errors import Unavailable
from tests.chain.embedded.ledger_kit import Hand


def write(path: str, seed: int, batch: int, out: int) -> None:
    """Send for ever, writing the hashes of each batch in one line once it is acknowledged."""
    hand = Hand(seed)
    provider = EmbeddedProvider(path)
    answer = provider.make_request("eth_getTransactionCount", [hand.address, "latest"])  # type: ignore[arg-type]
    hand.nonce = int(answer["result"], 16)
    while True:
        raws = [hand.sign(value=seed) for _ in range(batch)]
        requests = [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws]
        try:
            answers = provider.make_batch_request(requests)  # type: ignore[arg-type]
        except Unavailable:
            hand.nonce -= batch
            continue
        os.write(out, (" ".join(answer["result"] for answer in answers) + "\n").encode())


def start(path: str, seed: int, batch: int) -> tuple[int, int]:
    """Return (process id, where to read from) of a new writer."""
    read, out = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write(path, seed, batch, out)
        finally:
            os._exit(1)
    os.close(out)
    return child, read


def main() -> None:
    path, rounds, batch, *seeds = sys.argv[1], *map(int, sys.argv[2:])
    rng = random.Random(batch)
    acknowledged: dict[int, list[str]] = {seed: [] for seed in seeds}
    for _ in range(rounds):
        writers = [(seed, *start(path, seed, batch)) for seed in seeds]
        heard: dict[int, bytearray] = {read: bytearray() for _, _, read in writers}

        def listen(read: int, heard: dict[int, bytearray] = heard) -> None:
            while data := os.read(read, 65_536):
                heard[read] += data

        threads = [threading.Thread(target=listen, args=(read,)) for _, _, read in writers]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        while not all(heard.values()) and time.monotonic() < deadline:
            time.sleep(0.001)  # until each has written something
        time.sleep(rng.uniform(0.0, 0.2))
        for _, child, _ in writers:
            os.kill(child, signal.SIGKILL)
        for _, child, _ in writers:
            assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        for thread in threads:
            thread.join()
        for seed, _, read in writers:
            os.close(read)
            # a line cut short acknowledges nothing
            acknowledged[seed] += [tx for line in heard[read].decode().split("\n")[:-1] for tx in line.split()]
    print(json.dumps(acknowledged))  # noqa: T201


if __name__ == "__main__":
    main()
