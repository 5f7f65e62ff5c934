"""Direct answers on this workspace's chain: a kernel asked in one transaction, for a receipt that can be shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.chain.bindings.direct_model import Answered
from tallystick.core.errors import InvalidInput
from tallystick.lithic.assurance.direct import Direct
from tallystick.lithic.kernel import Kernel
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tallystick.tally.lithic.places import Place, find_place

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

CONTRACT = "DirectModel"


class DirectDesk:
    """Answers by one DirectModel contract, by default the workspace's. It takes no coins."""

    def __init__(self, tally: Tally, address: str | None = None) -> None:
        self._tally = tally
        self._address = address

    @cached_property
    def place(self) -> Place:
        """Where the contract is; raises InvalidInput "deployments.absent"."""
        return find_place(self._tally, CONTRACT, self._address)

    def ask(self, kernel: Kernel, x: Sequence[int], *, key: str, is_kept: bool = True) -> bytes:
        """Return the id of a request for the kernel's answer to `x`; as `Direct.ask`.

        raises  InvalidInput "kernel.undeployed"
        """
        if not self._tally.node.code(kernel.address):
            raise InvalidInput(
                "kernel.undeployed", f"the kernel of {kernel.model.name!r} is not on this chain",
                expected=f"a contract at {kernel.address}", got="none",
                hint="`tally lithic model deploy` puts it there",
            )  # fmt: skip
        return self._of(kernel).ask(self._tally.outbox, x, key=key, is_kept=is_kept)

    def last(self) -> bytes:
        """Return the id of this account's newest request; raises InvalidInput "request.none"."""
        return self.place.last(self._tally, Answered.topic)

    def receipt(self, kernel: Kernel, request_id: bytes) -> AnswerReceipt:
        """Return the receipt of an answer; raises InvalidInput "receipt.none" when the kernel gave no such answer."""
        return self._of(kernel).receipt(request_id)

    def _of(self, kernel: Kernel) -> Direct:
        return Direct(self._tally.node, self.place.address, kernel, first_block=self.place.first_block)
