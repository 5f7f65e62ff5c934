"""Direct answers: a kernel asked through DirectModel, for a receipt, or for a consumer that works with any mode.

Who needs nothing but the answer calls the kernel's own predict, which is the cheapest of all.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.chain.bindings.direct_model import Answered, DirectModel
from tallystick.chain.calls import Log
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.lithic.integer.reference import pack, unpack
from tallystick.lithic.kernel import Kernel
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.direct import DirectEvidence
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tallystick.lithic.receipts.request import direct_terms, request_id


class Direct:
    """One kernel's answers by one DirectModel contract; `first_block` as for `Optimistic`."""

    def __init__(self, node: Node, address: str, kernel: Kernel, *, first_block: int = 0) -> None:
        self.contract = DirectModel(node, parse_address(address))
        self.kernel = kernel
        self._node = node
        self._first_block = first_block

    def ask(self, outbox: Outbox, x: Sequence[int], *, key: str, is_kept: bool = True) -> bytes:
        """Return the id of a request for the answer to `x`, made now or by the same call before.

        key      tells two requests for the same answer apart: the request's nonce is its digest
        is_kept  whether the contract can be asked for the answer ever after
        raises   InvalidInput "kernel.input"; Rejected with the contract's reason or the kernel's
        """
        data, nonce = pack(self.kernel.model.input, x), int.from_bytes(sha256(key.encode()))
        terms, consumer = direct_terms(self.kernel.address, is_kept=is_kept), outbox.account.address
        asked = request_id(self._node.chain_id, self.contract.address, consumer, nonce, terms, data)
        if not self._answers(asked):
            call = self.contract.ask(nonce, terms, data, value=0)
            outbox.send_and_wait(call, key=f"direct {self.contract.address} ask {asked.hex()}")
        return asked

    def receipt(self, request_id: bytes) -> AnswerReceipt:
        """Return the receipt of an answer; raises InvalidInput "receipt.none" when there is none of this kernel."""
        for log in self._answers(request_id):
            said = Answered.decode(log)
            if said.kernel == self.kernel.address:
                return self._receipt(said)
        raise InvalidInput("receipt.none", "the kernel gave no such answer", got=request_id.hex())

    def _receipt(self, said: Answered) -> AnswerReceipt:
        output = self.kernel.predict(unpack(self.kernel.model.input, said.data))
        answer = AssuredAnswer(
            said.request_id, said.consumer, said.model_digest, sha256(said.data), output, Mode.DIRECT, 0, 0, said.nonce
        )
        evidence = DirectEvidence(said.kernel, said.is_kept, said.data)
        return AnswerReceipt(self._node.chain_id, self.contract.address, answer, evidence)

    def _answers(self, request_id: bytes) -> list[Log]:
        topics = (Answered.topic, request_id)
        return self._node.logs(self.contract.address, topics, from_block=self._first_block)
