"""A staged model on a test's ledger, and who asks, claims and refutes there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from eth_abi.abi import encode

from tallystick.chain.bindings.optimistic_model import Asked, OptimisticModel, Requested
from tallystick.chain.calls import Call
from tallystick.chain.coin import NATIVE
from tallystick.chain.deploy import PROXY, PROXY_COST_WEI, PROXY_DEPLOYER, PROXY_TRANSACTION, creation
from tallystick.contracts import artifact
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tallystick.lithic.assurance.staged import StagedModel, compile_staged
from tallystick.lithic.assurance.trace import Trace, trace, words
from tallystick.lithic.evm.assembler import initcode
from tallystick.lithic.integer.reference import apply, pack
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.reading import read_answer
from tallystick.lithic.receipts.request import optimistic_terms, request_id
from tests.lithic import kernel_models

FEE, BOND, WINDOW, PATIENCE = 10**15, 10**18, 3_600, 1_800


def put_staged(ledger, model) -> StagedModel:
    """Put the stages of a model on the ledger, where they are on every chain."""
    staged = compile_staged(model)
    if not ledger.node.code(PROXY):
        ledger.send(Call(PROXY_DEPLOYER, b"", PROXY_COST_WEI), ledger.accounts[0])
        ledger.node.send_raw(PROXY_TRANSACTION)
    for name, address, code in staged.contracts:
        if not ledger.node.code(address):
            ledger.send(creation(name, initcode(code))[1], ledger.accounts[0])
    return staged


@dataclass
class Kit:
    """A contract, a staged model of two layers and a decision, and money in known places.

    coin  what fees and bonds are in: the native coin, or a test token of which everybody has plenty
    """

    ledger: Any
    contract: OptimisticModel
    staged: StagedModel
    coin: Any = None
    inputs: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    asked: dict[bytes, Asked] = field(default_factory=dict)

    @classmethod
    def on(cls, ledger, model=None, coin=None) -> Kit:
        argument = encode(["address"], [coin.address if coin else NATIVE])
        contract = OptimisticModel(ledger, ledger.deploy(artifact("OptimisticModel").bytecode + argument))
        for account in ledger.accounts if coin else ():
            coin.give(account, 10**24, contract.address)
        return cls(ledger, contract, put_staged(ledger, kernel_models.mlp() if model is None else model), coin)

    @property
    def stages(self) -> list[str]:
        return [stage.address for stage in self.staged.stages]

    def stages_hash(self) -> bytes:
        return keccak(encode(["address[]"], [self.stages]))

    def middle(self, shift=0):
        """An input in the middle of its ranges, or next to it."""
        return tuple((one.low + one.high) // 2 + shift % 2 for one in self.staged.model.input.fields)

    def value(self, amount):
        """What a call that pays so much sends along."""
        return 0 if self.coin else amount

    def balance(self, account):
        return self.coin.balance_of(account) if self.coin else self.ledger.node.balance(account)

    def data(self, x):
        return x if isinstance(x, bytes) else pack(self.staged.model.input, x)

    def terms(self, *, model=None, fee=FEE, bond=BOND, window=WINDOW, patience=PATIENCE):
        return optimistic_terms(model or self.staged.address, fee=fee, bond=bond, window_s=window, patience_s=patience)

    def asking(self, x, *, nonce=None, value=None, **terms):
        nonce = len(self.asked) if nonce is None else nonce
        value = self.value(terms.get("fee", FEE)) if value is None else value
        return self.contract.ask(nonce, self.terms(**terms), self.data(x), value=value)

    def ask(self, x=None, who=0, **terms) -> bytes:
        x = self.middle() if x is None else x
        return self.keep(x, self.ledger.send(self.asking(x, **terms), self.ledger.accounts[who]))

    def keep(self, x, mined) -> bytes:
        """Remember what was asked for in this transaction; return its id."""
        (log,) = (log for log in mined.logs if log.address == self.contract.address)
        requested = Requested.decode(log)
        self.inputs[requested.request_id], self.asked[requested.request_id] = x, requested.asked
        return requested.request_id

    def id_of(self, x, who=0, nonce=0, **terms) -> bytes:
        chain, contract, consumer = self.ledger.chain_id, self.contract.address, self.ledger.accounts[who]
        return request_id(chain, contract, consumer, nonce, self.terms(**terms), self.data(x))

    def right(self, request_id) -> Trace:
        return trace(self.staged.model, self.inputs[request_id])

    def lie(self, request_id, stage, *, consistent=True) -> Trace:
        """A trace that is wrong from `stage` on: one more in its first number, and what would follow if it were so."""
        vectors = list(self.right(request_id).vectors)
        first, *others = vectors[stage + 1]
        vectors[stage + 1] = (first + 1, *others)
        if consistent:
            for at in range(stage + 1, len(self.staged.model.steps)):
                vectors[at + 1] = apply(self.staged.model.steps[at], vectors[at])
        return Trace(tuple(vectors))

    def claiming(self, request_id, told: Trace, value=None):
        value = self.value(BOND) if value is None else value
        return self.contract.claim(self.asked[request_id], told.hashes, told.answer, value=value)

    def claim(self, request_id, told: Trace, who=1, value=None):
        return self.ledger.send(self.claiming(request_id, told, value), self.ledger.accounts[who])

    def refuting(self, request_id, told: Trace, stage, vector=None, **changes):
        right = self.right(request_id)
        given = {"asked": self.asked[request_id], "stages": self.stages, "hashes": told.hashes} | changes
        vector = words(right.vectors[stage]) if vector is None else vector
        return self.contract.refute(given["asked"], given["stages"], given["hashes"], stage, vector)

    def refute(self, request_id, told: Trace, stage, who=2, **changes):
        return self.ledger.send(self.refuting(request_id, told, stage, **changes), self.ledger.accounts[who])

    def finalising(self, request_id, told: Trace):
        return self.contract.finalise(self.asked[request_id], told.hashes)

    def giving_back(self, request_id):
        return self.contract.give_back(self.asked[request_id])

    def receipt(self, request_id, told: Trace, **changes) -> AssuredAnswer:
        """The receipt of the claim, as it is once it is final."""
        asked = self.asked[request_id]
        deadline = self.contract.request_of(request_id).deadline
        made = AssuredAnswer(
            request_id, asked.consumer, asked.model_digest, asked.input_digest, told.answer, Mode.OPTIMISTIC,
            asked.fee, deadline, asked.nonce,
        )  # fmt: skip
        return replace(made, **changes)

    def read(self, receipt: AssuredAnswer, reader=None):
        """What the contract answers to its consumer, or to another."""
        return read_answer(self.ledger, self.contract.address, receipt, reader=reader)

    def is_final(self, request_id, told: Trace) -> bool:
        try:
            return self.read(self.receipt(request_id, told)) == told.answer
        except Rejected:
            return False

    def wait_until(self, time):
        """Let a block have this time; simulations see the last block's."""
        self.ledger.time = time
        self.ledger.send(Call(self.ledger.accounts[0], b""), self.ledger.accounts[0])
