"""What makes a direct answer checkable: the kernel that was asked, and the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tallystick.core import documents
from tallystick.core.ids import parse_address
from tallystick.core.limits import ASSURED_INPUT_BYTES_MAX
from tallystick.lithic.receipts.answer import Mode
from tallystick.lithic.receipts.request import direct_terms


@dataclass(frozen=True)
class DirectEvidence:
    """A request to DirectModel: a kernel's address, whether its answer is kept, and the packed input."""

    mode: ClassVar[Mode] = Mode.DIRECT

    kernel: str
    is_kept: bool
    data: bytes

    @property
    def model(self) -> str:
        """The contract that the terms name."""
        return self.kernel

    @property
    def terms(self) -> bytes:
        """The terms as the contract takes them."""
        return direct_terms(self.kernel, is_kept=self.is_kept)

    @property
    def cost(self) -> int:
        """What the terms say that an answer costs: nothing."""
        return 0

    def to_dict(self) -> dict[str, object]:
        """Return the evidence as JSON members."""
        return {"data": self.data.hex(), "is_kept": self.is_kept, "kernel": self.kernel}

    @classmethod
    def from_dict(cls, value: object) -> DirectEvidence:
        """Read evidence without checking it; raises InvalidInput when malformed."""
        found = documents.members(value, "evidence", ("data", "is_kept", "kernel"))
        return cls(
            parse_address(found["kernel"]),
            documents.typed(found["is_kept"], bool, "is_kept"),
            documents.hexed(found["data"], "data", ASSURED_INPUT_BYTES_MAX),
        )
