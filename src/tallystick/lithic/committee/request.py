"""A request's terms and its id, as the contract derives it from the consumer, its nonce and every term."""

from __future__ import annotations

from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import EncodingError

from tallystick.chain.bindings.committee import FeatureDemand, Terms
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

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
    try:
        return keccak(abi_encode(kinds, values))
    except (EncodingError, TypeError) as error:
        raise InvalidInput("committee.terms", "a term does not fit its type", got=str(error)[:160]) from None
