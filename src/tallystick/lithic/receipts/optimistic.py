"""What makes an optimistic answer checkable: the staged model that was asked, the terms, and the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tallystick.core import documents
from tallystick.core.ids import parse_address
from tallystick.core.limits import ASSURED_INPUT_BYTES_MAX
from tallystick.lithic.receipts.answer import Mode
from tallystick.lithic.receipts.request import optimistic_terms

_SECONDS_MAX = 2**32 - 1


@dataclass(frozen=True)
class OptimisticEvidence:
    """A request to OptimisticModel: a staged model's address, the terms, and the packed input."""

    mode: ClassVar[Mode] = Mode.OPTIMISTIC

    model: str
    fee: int
    bond: int
    window_s: int
    patience_s: int
    data: bytes

    @property
    def terms(self) -> bytes:
        """The terms as the contract takes them."""
        spans = {"window_s": self.window_s, "patience_s": self.patience_s}
        return optimistic_terms(self.model, fee=self.fee, bond=self.bond, **spans)

    @property
    def cost(self) -> int:
        """What the terms say that an answer costs."""
        return self.fee

    def to_dict(self) -> dict[str, object]:
        """Return the evidence as JSON members: bytes in hex, amounts in decimal."""
        return {
            "bond": str(self.bond),
            "data": self.data.hex(),
            "fee": str(self.fee),
            "model": self.model,
            "patience_s": self.patience_s,
            "window_s": self.window_s,
        }

    @classmethod
    def from_dict(cls, value: object) -> OptimisticEvidence:
        """Read evidence without checking it; raises InvalidInput when malformed."""
        found = documents.members(value, "evidence", ("bond", "data", "fee", "model", "patience_s", "window_s"))
        return cls(
            parse_address(found["model"]),
            documents.decimal(found["fee"], "fee"),
            documents.decimal(found["bond"], "bond"),
            documents.integer(found["window_s"], "window_s", 0, _SECONDS_MAX),
            documents.integer(found["patience_s"], "patience_s", 0, _SECONDS_MAX),
            documents.hexed(found["data"], "data", ASSURED_INPUT_BYTES_MAX),
        )
