"""What an optimistic answer of the 400-32-16-10 network costs, and a refutation at each of its stages."""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.chain.calls import Call
from tallystick.lithic.receipts.reading import ANSWER_ABI
from tallystick.lithic.shapes import shape
from tests.contracts.direct_gas import GAUGE
from tests.contracts.kernels import compiled, selector
from tests.contracts.optimistic_kit import FEE, WINDOW, Kit


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
    made["read a final answer, execution"] = read_cost(ledger, kit, x)
    return {f"OptimisticModel: {step}, 400-32-16-10": cost for step, cost in made.items()}


def read_cost(ledger, kit, x):
    """Return what a contract pays to read the final answer that it asked for."""
    gauge = ledger.deploy(compiled(GAUGE))
    given = [kit.contract.address, kit.terms(), kit.data(x)]
    asking = selector("ask(address,bytes,bytes)") + encode(["address", "bytes", "bytes"], given)
    asked = kit.keep(x, ledger.send(Call(gauge, asking, FEE), ledger.accounts[4]))
    right = kit.right(asked)
    kit.wait_until(kit.claim(asked, right).time + WINDOW)
    ledger.send(kit.finalising(asked, right), ledger.accounts[4])
    types = ["address", ANSWER_ABI]
    values = [kit.contract.address, kit.receipt(asked, right).to_abi()]
    reading = selector(f"read({','.join(types)})") + encode(types, values)
    return int.from_bytes(ledger.call(gauge, reading))
