"""What DirectModel adds to a kernel's own predict, inside one transaction that touches both for the first time."""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.lithic.receipts.answer import AssuredAnswer
from tallystick.lithic.receipts.reading import ANSWER_ABI
from tallystick.lithic.shapes import shape
from tests.contracts.direct_kit import Kit
from tests.contracts.kernels import compiled, selector

GAUGE = """
# pragma version 0.4.3
from tallystick.contracts.interfaces import IAssurance
from tallystick.contracts.interfaces import IModel

@external
def bare(kernel: address, data: Bytes[8192]) -> uint256:
    before: uint256 = msg.gas
    output: DynArray[int256, 256] = staticcall IModel(kernel).predict(data)
    return before - msg.gas

@external
@payable
def ask(assurance: address, terms: Bytes[2816], data: Bytes[8192]) -> bytes32:
    return extcall IAssurance(assurance).ask(0, terms, data, value=msg.value)

@external
def read(assurance: address, answer: IAssurance.AssuredAnswer) -> uint256:
    before: uint256 = msg.gas
    output: DynArray[int256, 256] = staticcall IAssurance(assurance).read_answer(answer)
    return before - msg.gas

@external
def assured(direct: address, terms: Bytes[2816], data: Bytes[8192], answer: IAssurance.AssuredAnswer) -> uint256:
    before: uint256 = msg.gas
    asked: bytes32 = extcall IAssurance(direct).ask(0, terms, data)
    output: DynArray[int256, 256] = staticcall IAssurance(direct).read_answer(answer)
    return before - msg.gas
"""


def direct_costs(ledger):
    """Return gas by model: bare, and asked and read in the same transaction, and with the answer kept."""
    made = {}
    gauge = ledger.deploy(compiled(GAUGE))
    for name in ("30-4-4-1", "400-32-16-10"):
        chosen = shape(name)
        kit = Kit.on(ledger, chosen.model)
        x = next(iter(chosen.inputs.values()))
        data = kit.data(x)

        def gauged(signature, types, values):
            call = selector(signature) + encode(types, values)
            return int.from_bytes(ledger.call(gauge, call, sender=ledger.accounts[0]))

        bare = gauged("bare(address,bytes)", ["address", "bytes"], [kit.kernel.address, data])
        made[f"DirectModel: bare predict, {name}, execution"] = bare
        for is_kept, how in ((False, "in the same transaction"), (True, "kept")):
            answer: AssuredAnswer = kit.answer(x, is_kept=is_kept, consumer=gauge)
            values = [kit.contract.address, kit.terms(is_kept=is_kept), data, answer.to_abi()]
            types = ["address", "bytes", "bytes", ANSWER_ABI]
            cost = gauged(f"assured({','.join(types)})", types, values)
            made[f"DirectModel: ask and read, {how}, {name}, execution"] = cost
    return made
