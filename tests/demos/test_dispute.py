"""The dispute story holds on both chains: every lie falls at its layer, no honest claim does, and the last is paid."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tallystick.cli.main import run
from tallystick.demos.dispute import Dispute, tell_dispute

MEMBERS = ["lies_tried", "lies_slashed", "honest_slashed", "gas_by_step", "seconds"]
LAYERS = ("Dense", "Relu", "Dense", "Relu", "Dense", "argmax")


@contextlib.contextmanager
def quietly(title: str, steps: int) -> Iterator[Any]:
    yield lambda done: None


def test_every_lie_falls_on_the_embedded_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "dispute", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == MEMBERS
    assert (found["lies_tried"], found["lies_slashed"], found["honest_slashed"]) == (6, 6, 0)


@pytest.mark.anvil
def test_every_lie_falls_at_its_layer_on_anvil(anvil: Any) -> None:
    told = tell_dispute(anvil.url, quietly)
    assert told.is_whole
    assert told.stages == tuple(f"stage {at} ({name})" for at, name in enumerate(LAYERS))
    assert told.attacks == ["optimistic: no fault", "optimistic: other vector"] * len(LAYERS)
    assert list(told.summary()) == MEMBERS
    refutations = [gas for step, gas in told.gas.items() if step.startswith("refute")]
    assert len(refutations) == len(LAYERS)
    assert all(50_000 < gas < 400_000 for gas in refutations)


def test_a_story_with_a_lie_that_stood_or_an_honest_claim_that_fell_is_not_whole() -> None:
    whole = Dispute(lies=[True], honest=[True], is_paid=True)
    assert whole.is_whole
    for change in ({"lies": [True, False]}, {"honest": [False]}, {"is_paid": False}, {"lies": []}):
        assert not replace(whole, **change).is_whole
    assert replace(whole, honest=[True, False]).summary()["honest_slashed"] == 1
