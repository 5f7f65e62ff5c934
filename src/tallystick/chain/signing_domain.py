"""In which EIP-712 domain the holders of a token sign: read from the token, and checked against its own separator.

Names and versions differ from what `name` says (USDC's is "USD Coin", version 2) and a signature in a wrong domain is
worth nothing, or is refused only after somebody paid for trying. So nothing is guessed: what the token tells must give
the separator that it computes itself. What is signed there is in `core.authorization`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tallystick.chain.abi import read
from tallystick.chain.node import Node
from tallystick.core.eip712 import Domain
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.ids import parse_address

# EIP-5267, ERC-20, EIP-2612: the first four bytes of the hash of each signature
_DOMAIN, _NAME, _VERSION, _SEPARATOR = "84b0196e", "06fdde03", "54fd4d50", "3644e515"
_TEXT: Final = ("string",)
_FIELDS: Final = ("bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]")
_USED: Final = b"\x0f"  # name, version, chain id and contract, and no salt: the only domains that `Domain` can hold


def read_signing_domain(node: Node, token: str) -> Domain:
    """Return the domain in which holders of `token` sign, on the chain of `node`.

    raises  InvalidInput "address.…", "chain.no_contract", "token.unsigned" for a token that tells no separator;
            VerificationFailed "token.domain" where nothing that it tells gives its separator
    """
    found = parse_address(token)
    node.check_contract(found)
    separator = _ask(node, found, _SEPARATOR, ("bytes32",))
    if separator is None:
        raise InvalidInput(
            "token.unsigned", f"the token {found} takes no signatures", expected="DOMAIN_SEPARATOR()",
            hint="send transactions, or use a token with EIP-2612 or EIP-3009",
        )  # fmt: skip
    for domain in _told(node, found):
        if domain.separator() == separator[0]:
            return domain
    raise VerificationFailed(
        "token.domain", f"the token {found} tells another domain than it checks signatures in", got=separator[0].hex()
    )


def _told(node: Node, token: str) -> Iterator[Domain]:
    """Yield the domains that the token may mean: what EIP-5267 says, then name and version, then version 1."""
    told = _ask(node, token, _DOMAIN, _FIELDS)
    if told is not None and told[0] == _USED and (told[3], told[4]) == (node.chain_id, token):
        yield Domain(told[1], told[2], node.chain_id, token)
    name = _ask(node, token, _NAME, _TEXT)
    if name is not None:
        version = _ask(node, token, _VERSION, _TEXT) or ("1",)
        yield from (Domain(name[0], each, node.chain_id, token) for each in dict.fromkeys((version[0], "1")))


def _ask(node: Node, token: str, selector: str, outputs: tuple[str, ...]) -> tuple[Any, ...] | None:
    """Return what the token answers, or None if it has no such function or answers something else."""
    try:
        answer: tuple[Any, ...] = read(node, token, selector, (), (), outputs, "latest")
    except (InvalidInput, Rejected):
        return None
    return answer
