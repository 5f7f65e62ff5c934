"""A kernel on a test's ledger behind DirectModel, and who asks it there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tallystick.chain.bindings.direct_model import DirectModel
from tallystick.chain.calls import Call
from tallystick.chain.deploy import PROXY, PROXY_COST_WEI, PROXY_DEPLOYER, PROXY_TRANSACTION
from tallystick.contracts import artifact
from tallystick.core.digest import sha256
from tallystick.lithic.integer.reference import pack
from tallystick.lithic.kernel import Kernel, compile_integer
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.request import direct_terms, request_id
from tests.lithic import kernel_models


def put_kernel(ledger, model) -> Kernel:
    """Put the kernel of a model on the ledger, where it is on every chain."""
    kernel = compile_integer(model)
    if not ledger.node.code(PROXY):
        ledger.send(Call(PROXY_DEPLOYER, b"", PROXY_COST_WEI), ledger.accounts[0])
        ledger.node.send_raw(PROXY_TRANSACTION)
    for code in kernel.codes:
        if not ledger.node.code(code.address):
            ledger.send(Call(PROXY, bytes(32) + code.initcode), ledger.accounts[0])
    return kernel


@dataclass
class Kit:
    """A contract, a kernel, and answers that can be told beforehand."""

    ledger: Any
    contract: DirectModel
    kernel: Kernel

    @classmethod
    def on(cls, ledger, model=None) -> Kit:
        contract = DirectModel(ledger, ledger.deploy(artifact("DirectModel").bytecode))
        return cls(ledger, contract, put_kernel(ledger, kernel_models.mlp() if model is None else model))

    def middle(self, shift=0):
        """An input in the middle of its ranges, or next to it."""
        return tuple((one.low + one.high) // 2 + shift % 2 for one in self.kernel.model.input.fields)

    def data(self, x):
        return pack(self.kernel.model.input, x)

    def terms(self, *, is_kept=True):
        return direct_terms(self.kernel.address, is_kept=is_kept)

    def asking(self, x, nonce=0, *, is_kept=True, value=0):
        return self.contract.ask(nonce, self.terms(is_kept=is_kept), self.data(x), value=value)

    def answer(self, x, nonce=0, *, is_kept=True, consumer=None, **changes) -> AssuredAnswer:
        """The receipt, which is known before the request is sent."""
        consumer, data = consumer or self.ledger.accounts[0], self.data(x)
        terms = self.terms(is_kept=is_kept)
        asked = request_id(self.ledger.chain_id, self.contract.address, consumer, nonce, terms, data)
        made = AssuredAnswer(
            asked, consumer, self.kernel.digest, sha256(data), self.kernel.predict(x), Mode.DIRECT, 0, 0, nonce
        )
        return replace(made, **changes)
