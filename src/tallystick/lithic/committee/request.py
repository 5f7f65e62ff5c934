"""A request's terms and its id, as the contract derives it from the consumer, its nonce and every term."""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import EncodingError

from tallystick.chain.bindings.committee import FeatureDemand, Terms
from tallystick.core import documents
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import COMMITTEE_MEMBERS_MAX
from tallystick.lithic.receipts.answer import signed_decimal

NOBODY = "0x" + "00" * 20
NO_DEMAND = FeatureDemand(NOBODY, 0, bytes(32), 0)

_DEMAND_TYPE = "(address,uint256,bytes32,uint32)"
_TERMS_TYPE = (
    f"(bytes32,bytes32,{_DEMAND_TYPE},address,uint8,uint8,int256,int256,uint256,address[],uint8,uint256,uint256,"
    "uint32,uint32)"
)


def request_id(chain_id: int, contract: str, consumer: str, nonce: int, terms: Terms) -> bytes:
    """Return the id that this request has on that chain and contract, and no other request anywhere.

    raises  InvalidInput "committee.terms" when a term does not fit its type
    """
    kinds = ["uint256", "address", "address", "uint256", _TERMS_TYPE]
    values = (chain_id, parse_address(contract), parse_address(consumer), nonce, terms.to_abi())
    return keccak(_encoded(kinds, values))


def ask_terms(terms: Terms, *, observed_at: int = 0, proof: bytes = b"") -> bytes:
    """Return the terms as `ask` takes them; an input digest of zeros stands for the input's own.

    observed_at, proof  for the demanded source of features, where there is one
    raises              InvalidInput "committee.terms"
    """
    return _encoded([_TERMS_TYPE, "uint64", "bytes"], (terms.to_abi(), observed_at, proof))


def terms_to_dict(terms: Terms) -> dict[str, object]:
    """Return the terms as JSON members: bytes in hex, large integers in decimal."""
    demand = terms.demand
    return {
        "commit_s": terms.commit_s,
        "demand": {
            "checker": demand.checker,
            "max_age_s": demand.max_age_s,
            "source_id": str(demand.source_id),
            "subject": demand.subject.hex(),
        },
        "fee": str(terms.fee),
        "high": str(terms.high),
        "input_digest": terms.input_digest.hex(),
        "kernel": terms.kernel,
        "kind": terms.kind,
        "low": str(terms.low),
        "members": list(terms.members),
        "model_digest": terms.model_digest.hex(),
        "output_index": terms.output_index,
        "reveal_s": terms.reveal_s,
        "stake": str(terms.stake),
        "threshold": terms.threshold,
        "tolerance": str(terms.tolerance),
    }


def terms_from_dict(value: object) -> Terms:
    """Read terms without checking that a contract would take them; raises InvalidInput when malformed."""
    names = (
        "commit_s", "demand", "fee", "high", "input_digest", "kernel", "kind", "low", "members", "model_digest",
        "output_index", "reveal_s", "stake", "threshold", "tolerance",
    )  # fmt: skip
    found = documents.members(value, "terms", names)
    members = documents.listed(found["members"], "members", COMMITTEE_MEMBERS_MAX)
    return Terms(
        model_digest=documents.digest(found["model_digest"], "model_digest"),
        input_digest=documents.digest(found["input_digest"], "input_digest"),
        demand=_demand_from_dict(found["demand"]),
        kernel=parse_address(found["kernel"]),
        output_index=documents.integer(found["output_index"], "output_index", 0, 255),
        kind=documents.integer(found["kind"], "kind", 1, 2),
        low=signed_decimal(found["low"], "low"),
        high=signed_decimal(found["high"], "high"),
        tolerance=documents.decimal(found["tolerance"], "tolerance"),
        members=tuple(parse_address(member) for member in members),
        threshold=documents.integer(found["threshold"], "threshold", 1, COMMITTEE_MEMBERS_MAX),
        fee=documents.decimal(found["fee"], "fee"),
        stake=documents.decimal(found["stake"], "stake"),
        commit_s=documents.integer(found["commit_s"], "commit_s", 0, 2**32 - 1),
        reveal_s=documents.integer(found["reveal_s"], "reveal_s", 0, 2**32 - 1),
    )


def _demand_from_dict(value: object) -> FeatureDemand:
    found = documents.members(value, "demand", ("checker", "max_age_s", "source_id", "subject"))
    return FeatureDemand(
        parse_address(found["checker"]),
        documents.decimal(found["source_id"], "source_id"),
        documents.digest(found["subject"], "subject"),
        documents.integer(found["max_age_s"], "max_age_s", 0, 2**32 - 1),
    )


def _encoded(kinds: Sequence[str], values: Sequence[object]) -> bytes:
    try:
        return abi_encode(kinds, values)
    except (EncodingError, TypeError) as error:
        raise InvalidInput("committee.terms", "a term does not fit its type", got=str(error)[:160]) from None
