"""Chapter two: the released version is served over HTTP, thousands of predictions are logged, checkpoints anchored."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import orjson

from tallystick.demos import breast_cancer
from tallystick.demos.places import Places
from tallystick.demos.processes import run_tally, serving
from tallystick.demos.publishing import CHANNEL
from tallystick.demos.story import AnchorTold, Story
from tallystick.services.client import Checked, GatewayClient
from tallystick.services.trust import trusted_by_chain
from tallystick.store.files import write_atomic
from tallystick.tally import Tally

ROUNDS = 4  # anchors: one after each round of predictions
CONNECTIONS = 24
_CHECKPOINT_WAIT_S = 30.0


def predict_and_anchor(
    tally: Tally, places: Places, story: Story, model_id: int, count: int, advance: Callable[[int], None]
) -> None:
    """Serve the released version, ask it `count` times in rounds, anchor after each, keep one person's receipt."""
    log = tally.inference.open()
    requests = _requests(count)
    arguments = ["serve", f"{model_id}@{CHANNEL}", "--workspace", str(places.workspace), "--port", "0"]
    arguments += ["--anchor-every", "0"]  # anchors are made here, one a round
    with serving(arguments, places.private, tally_environment(places)) as ready:
        client = _client(tally, ready["url"], model_id, len(story.versions))

        def done(answer: Checked, seconds: float) -> None:
            story.latencies_ms.append(1_000 * seconds)
            story.scores.append(answer.outputs["probabilities"]["data"][1])
            advance(1)

        busy_s = 0.0
        answers: list[Checked] = []
        for part in np.array_split(np.arange(count), ROUNDS):
            started = time.perf_counter()
            answers = client.predict_many([requests[at] for at in part], connections=CONNECTIONS, on_done=done)
            busy_s += time.perf_counter() - started
            story.inferences += len(answers)
            _anchor(tally, story, story.inferences)
        story.requests_per_second = story.inferences / busy_s
        receipt = client.receipt(answers[len(answers) // 2])
        write_atomic(places.public / "receipt.json", receipt.to_bytes())
    tally.inference.export(log.name, bodies=True)


def verify_receipt(tally: Tally, places: Places, story: Story) -> None:
    """Check the person's receipt in another process that has the receipt and the log's key, and nothing else."""
    key = str(tally.inference.verifier_key())
    folder = places.root / "person"
    folder.mkdir()
    receipt = places.public / "receipt.json"
    _, found = run_tally(["log", "verify", str(receipt), "--vkey", key], folder, {})
    story.receipt = f"entry {found['index']} of {found['size']}" if found.get("verified") else str(found)


def tally_environment(places: Places) -> dict[str, str]:
    """Return what another process needs to open the keys of this workspace."""
    passphrase = places.private / "passphrase"
    return {"TALLY_PASSPHRASE_FILE": str(passphrase)} if passphrase.exists() else {}


def _requests(count: int) -> list[bytes]:
    """Return request bodies for rows that no version was trained on, each row as often as it takes."""
    rows = breast_cancer.load_split().test
    bodies = [
        orjson.dumps(
            {"inputs": [{"name": "input", "shape": [1, len(row)], "datatype": "FP32", "data": row}]},
            option=orjson.OPT_SERIALIZE_NUMPY,
        )
        for row in rows
    ]
    return [bodies[at % len(bodies)] for at in range(count)]


def _client(tally: Tally, url: str, model_id: int, seq: int) -> GatewayClient:
    """Return a client that trusts what the chain says, not what the gateway says."""
    return GatewayClient(url, str(model_id), str(seq), trusted_by_chain(tally, model_id, seq))


def _anchor(tally: Tally, story: Story, size: int) -> None:
    """Wait for a checkpoint that covers `size` entries, and anchor it."""
    reader = tally.inference.reader()
    deadline = time.monotonic() + _CHECKPOINT_WAIT_S
    while _signed_size(reader.checkpoint()) < size and time.monotonic() < deadline:
        time.sleep(0.05)
    record = tally.inference.anchorer(settle="mined").anchor()  # a development node finalizes late or never
    if record is not None:
        row = tally.outbox.row(record.key)
        gas = row.receipt.gas_used if row.receipt else 0
        story.anchors.append(AnchorTold(record.size, record.root.hex(), record.transaction.hex(), gas))


def _signed_size(checkpoint: bytes | None) -> int:
    return -1 if checkpoint is None else int(checkpoint.split(b"\n")[1])
