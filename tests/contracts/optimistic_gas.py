"""What an optimistic answer of the 400-32-16-10 network costs, and a refutation at each of its stages."""

from __future__ import annotations

from tallystick.lithic.shapes import shape
from tests.contracts.optimistic_kit import WINDOW, Kit


def optimistic_costs(ledger):
    chosen = shape("400-32-16-10")
    kit = Kit.on(ledger, chosen.model)
    x = next(iter(chosen.inputs.values()))
    anybody = ledger.accounts[4]
    mined = ledger.send(kit.asking(x), anybody)
    made, request_id = {"ask": mined.gas_used}, kit.keep(x, mined)
    for stage, each in enumerate(kit.staged.stages[1:]):
        told = kit.lie(request_id, stage, consistent=False)
        kit.claim(request_id, told)
        made[f"refute at {each.name}"] = kit.refute(request_id, told, stage).gas_used
    right = kit.right(request_id)
    made["claim"] = kit.claim(request_id, right).gas_used
    kit.wait_until(ledger.time + WINDOW)
    made["make final"] = ledger.send(kit.finalising(request_id, right), anybody).gas_used
    return {f"OptimisticModel: {step}, 400-32-16-10": cost for step, cost in made.items()}
