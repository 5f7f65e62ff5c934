"""The receipt of an answer: one form for every mode, enough to recheck the answer years later.

It is the AssuredAnswer that the contract settled, where that was, and the evidence of its mode: what was asked, and for
a committee the signed votes. What it does not hold is the model; whoever checks brings it (`checking.py`). Nothing in
it is secret: all of it was on the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core import canonical, documents
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.lithic.committee.votes import CommitteeEvidence
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.direct import DirectEvidence
from tallystick.lithic.receipts.optimistic import OptimisticEvidence

RECEIPT_KIND: Final = "tallystick/answer-receipt/v1"

Evidence = DirectEvidence | OptimisticEvidence | CommitteeEvidence

_EVIDENCE: Final[dict[Mode, type[Evidence]]] = {
    Mode.DIRECT: DirectEvidence,
    Mode.OPTIMISTIC: OptimisticEvidence,
    Mode.COMMITTEE: CommitteeEvidence,
}


@dataclass(frozen=True)
class AnswerReceipt:
    """A settled answer: the chain and the contract that settled it, and what it can be rechecked by."""

    chain_id: int
    contract: str
    answer: AssuredAnswer
    evidence: Evidence

    def to_bytes(self) -> bytes:
        """Return the receipt as canonical JSON."""
        return canonical.encode(
            {
                "answer": self.answer.to_dict(),
                "chain_id": str(self.chain_id),
                "contract": self.contract,
                "evidence": self.evidence.to_dict(),
                "kind": RECEIPT_KIND,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> AnswerReceipt:
        """Read a receipt; nothing is checked yet.

        raises  InvalidInput when malformed, "answer.mode" for an answer by proof, which is not offered
        """
        names = ("answer", "chain_id", "contract", "evidence", "kind")
        found = documents.members(canonical.decode(data, "receipt"), "receipt", names)
        if found["kind"] != RECEIPT_KIND:
            raise InvalidInput("receipt.kind", "not a receipt of an answer", expected=RECEIPT_KIND)
        answer = AssuredAnswer.from_dict(found["answer"])
        return cls(
            documents.decimal(found["chain_id"], "chain_id"),
            parse_address(found["contract"]),
            answer,
            _EVIDENCE[answer.mode].from_dict(found["evidence"]),
        )
