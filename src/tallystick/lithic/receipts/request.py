"""The id of a request to DirectModel or OptimisticModel, as the contract derives it; a committee's has more terms.

An id is of one chain, contract, consumer, nonce, set of terms and input, so it is known before the request is sent and
cannot be another's.
"""

from __future__ import annotations

from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import EncodingError

from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

_DIRECT_TYPES = ("address", "bool")
_OPTIMISTIC_TYPE = "(address,uint256,uint256,uint32,uint32)"


def direct_terms(kernel: str, *, is_kept: bool) -> bytes:
    """Return the terms of a request to DirectModel: which kernel, and whether the answer outlives the transaction."""
    return _encoded(_DIRECT_TYPES, (parse_address(kernel), is_kept))


def optimistic_terms(model: str, *, fee: int, bond: int, window_s: int, patience_s: int) -> bytes:
    """Return the terms of a request to OptimisticModel; raises InvalidInput "request.terms" where one does not fit."""
    return _encoded([_OPTIMISTIC_TYPE], [(parse_address(model), fee, bond, window_s, patience_s)])


def request_id(chain_id: int, contract: str, consumer: str, nonce: int, terms: bytes, data: bytes) -> bytes:
    """Return the id of the consumer's request with these terms and this input."""
    values = (chain_id, parse_address(contract), parse_address(consumer), nonce, keccak(terms), sha256(data))
    return keccak(_encoded(["uint256", "address", "address", "uint256", "bytes32", "bytes32"], values))


def _encoded(types: object, values: object) -> bytes:
    try:
        return abi_encode(types, values)  # type: ignore[arg-type]
    except (EncodingError, TypeError) as error:
        raise InvalidInput("request.terms", "a term does not fit its type", got=str(error)[:160]) from None
