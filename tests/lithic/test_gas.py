"""What kernels of the reference shapes cost, as committed numbers: a change shows up as a diff of gas.json.

TALLYSTICK_WRITE_GAS=1 rewrites the file. "Execution" is without the 21,000 and the calldata of a transaction, and with
every part cold; deployment is whole transactions, of all contracts of the kernel.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tallystick.core.digest import sha256
from tallystick.lithic.integer import document
from tallystick.lithic.kernel import compile_integer
from tallystick.lithic.shapes import NAMES, shape

SNAPSHOT = Path(__file__).with_name("gas.json")


@pytest.fixture(scope="module")
def costs() -> dict[str, int]:
    made: dict[str, int] = {}
    for name in NAMES:
        wanted = shape(name)
        kernel = compile_integer(wanted.model, density_permille=wanted.density_permille)
        for what, x in wanted.inputs.items():
            assert kernel.run(x) == kernel.predict(x)
            made[f"{name}: execution, {what}"] = kernel.gas(x)
        made[f"{name}: execution at worst"] = kernel.worst_gas
        made[f"{name}: deployment"] = kernel.deployment_gas
        made[f"{name}: contracts"] = 1 + len(kernel.parts)
        made[f"{name}: bytes of code"] = kernel.bytes_total
    return made


def test_costs_of_kernels_are_the_committed_ones(costs):
    if os.environ.get("TALLYSTICK_WRITE_GAS"):
        SNAPSHOT.write_text(json.dumps(costs, indent=1) + "\n", "utf-8")
    committed = json.loads(SNAPSHOT.read_text("utf-8"))
    changed = {step: (committed.get(step), costs.get(step)) for step in {*committed, *costs}}
    changed = {step: pair for step, pair in changed.items() if pair[0] != pair[1]}
    assert not changed, "committed and measured differ; TALLYSTICK_WRITE_GAS=1 rewrites gas.json"


def test_kernels_cost_no_more_than_was_aimed_at(costs):
    assert costs["30-4-4-1: execution at worst"] <= 1_500
    assert costs["400-32-16-10: execution, 60 inputs not zero"] <= 33_000
    assert costs["400-32-16-10: execution at worst"] <= 65_000
    assert costs["gbdt-100x3: execution at worst"] <= 12_000
    assert costs["256-64: execution at worst"] <= 2.5 * shape("256-64").products


def test_the_shapes_are_made_of_what_their_names_and_the_stream_say():
    first = shape("30-1")
    stream = b"".join(sha256(f"30-1:{counter}".encode()) for counter in range(8))
    words = [int.from_bytes(stream[at : at + 4]) for at in range(0, 4 * 30, 4)]
    assert first.model.steps[0].weights == (tuple(word % 256 - 128 for word in words),)
    assert {name: shape(name).model.widths for name in NAMES}["400-32-16-10"] == (
        400, 32, 32, 16, 16, 10,
    )  # fmt: skip
    assert sum(value > 0 for value in shape("400-32-16-10").inputs["60 inputs not zero"]) == 60
    assert 0 not in shape("400-32-16-10").inputs["no input zero"]
    assert len(shape("gbdt-100x3").model.steps[0].trees) == 100


@pytest.mark.parametrize("name", NAMES)
def test_a_shape_is_the_same_model_wherever_it_is_made(name):
    committed = json.loads(SNAPSHOT.with_name("shapes.json").read_text("utf-8"))
    assert document.digest(shape(name).model).hex() == committed[name]
