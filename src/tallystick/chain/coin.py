"""The coin that a contract counts in: the chain's own, or a token of ERC-20 at an address.

Amounts are integers of the smallest unit everywhere but in front of people, who write and read decimals of the coin's
own: `parse` and `format`. Before a verb pays, `check_payable` says whether the account has enough and, of a token,
whether the contract may take it; `approve` lets it take just that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.chain.abi import encode_call, read
from tallystick.chain.calls import Call
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.amounts import ETHER_DECIMALS, format_amount, parse_amount
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.core.ids import parse_address
from tallystick.core.limits import COIN_DECIMALS_MAX, COIN_SYMBOL_CHARS_MAX

NATIVE: Final = "0x" + "00" * 20  # stands for the chain's own coin where an address is asked for

# github.com/ethereum/ERCs, ERC-20: the first four bytes of the hash of each signature
_DECIMALS, _SYMBOL, _SUPPLY = "313ce567", "95d89b41", "18160ddd"
_BALANCE, _ALLOWANCE, _APPROVE = "70a08231", "dd62ed3e", "095ea7b3"


@dataclass(frozen=True)
class Coin:
    """A coin: NATIVE or a token's address, how many decimals people write, and what they call it ("" if unknown)."""

    address: str = NATIVE
    decimals: int = ETHER_DECIMALS
    symbol: str = ""

    @property
    def is_native(self) -> bool:
        """Whether it is the chain's own."""
        return self.address == NATIVE

    def parse(self, text: object, what: str) -> int:
        """Return the smallest units that a decimal number of this coin writes; raises InvalidInput "amount.…"."""
        try:
            return parse_amount(text, self.decimals)
        except InvalidInput as error:
            error.message = f"{what}: {error.message}"
            error.hint = error.hint or f"a decimal number of the coin, at most {self.decimals} digits after the point"
            raise

    def format(self, units: int) -> str:
        """Return so many smallest units as a decimal number, which `parse` reads back."""
        return format_amount(units, self.decimals)

    def named(self, units: int) -> str:
        """Return so many smallest units as people read them, with the coin's name where it has one."""
        return f"{self.format(units)} {self.symbol}".rstrip()

    def to_dict(self) -> dict[str, object]:
        """Return which coin it is, fit for JSON."""
        return {"address": self.address, "decimals": self.decimals, "symbol": self.symbol}

    # --- paying

    def balance(self, node: Node, account: str) -> int:
        """Return how much an account has."""
        if self.is_native:
            return node.balance(account)
        return int(read(node, self.address, _BALANCE, ["address"], [account], ["uint256"], "latest")[0])

    def allowance(self, node: Node, account: str, spender: str) -> int:
        """Return how much of an account's `spender` may take; of the native coin nobody may."""
        if self.is_native:
            return 0
        types, values = ["address", "address"], [account, spender]
        return int(read(node, self.address, _ALLOWANCE, types, values, ["uint256"], "latest")[0])

    def check_payable(self, node: Node, account: str, spender: str, units: int) -> None:
        """Return if a call of `spender` by `account` can pay so much.

        raises  Rejected "coin.balance"; InvalidInput "coin.allowance"

        Whether a native coin is there the outbox sees when it adds the gas.
        """
        if self.is_native or units == 0:
            return
        self._check_balance(node, account, units)
        allowed = self.allowance(node, account, spender)
        if allowed < units:
            raise InvalidInput(
                "coin.allowance", f"the contract {spender} may not take so much of the token {self.address}",
                expected=f"≥ {self.named(units)}", got=self.named(allowed),
                hint="say --approve to let it take just this amount",
            )  # fmt: skip

    def approve(self, outbox: Outbox, spender: str, units: int) -> None:
        """Let `spender` take so much from the outbox's account, unless it may already.

        raises  Rejected "coin.balance" before anything is sent, or with the token's reason

        What was allowed before is taken back first, as some tokens demand.
        """
        if self.is_native or units == 0:
            return
        self._check_balance(outbox.node, outbox.account.address, units)
        allowed = self.allowance(outbox.node, outbox.account.address, spender)
        if allowed >= units:
            return
        for amount in (0, units) if allowed else (units,):
            data = encode_call(_APPROVE, ["address", "uint256"], [spender, amount])
            call = Call(self.address, data, 0, "ERC20", "approve", {"spender": spender, "amount": amount})
            key = f"approve {amount} of {self.address} to {spender} at {outbox.node.block_number()}"
            outbox.send_and_wait(call, key=key)

    def _check_balance(self, node: Node, account: str, units: int) -> None:
        held = self.balance(node, account)
        if held < units:
            raise Rejected(
                "coin.balance", f"{account} has too little of the token {self.address}",
                expected=f"≥ {self.named(units)}", got=self.named(held), hint="fund the account",
            )  # fmt: skip


def read_coin(node: Node, address: str) -> Coin:
    """Return the coin at an address, NATIVE for the chain's own.

    raises  InvalidInput "address.…", "chain.no_contract" where there is no code, "coin.decimals" for what is no token
    """
    found = parse_address(address)
    if found == NATIVE:
        return Coin()
    node.check_contract(found)
    return Coin(found, _decimals(node, found), _symbol(node, found))


def _decimals(node: Node, address: str) -> int:
    """Return how many decimals people write; none of a token that does not say, since ERC-20 leaves that free."""
    try:
        (decimals,) = read(node, address, _DECIMALS, (), (), ["uint256"], "latest")
    except (InvalidInput, Rejected):
        decimals = 0 if _has_supply(node, address) else COIN_DECIMALS_MAX + 1
    if decimals > COIN_DECIMALS_MAX:
        raise InvalidInput(
            "coin.decimals", f"no token of ERC-20 with decimals is at {address}", hint="check the address"
        )
    return int(decimals)


def _has_supply(node: Node, address: str) -> bool:
    try:
        read(node, address, _SUPPLY, (), (), ["uint256"], "latest")
    except (InvalidInput, Rejected):
        return False
    return True


def _symbol(node: Node, address: str) -> str:
    """Return what the token calls itself, printable and cut short; a token may call itself nothing.

    The first tokens answer 32 bytes with zeros at the end, all others a string.
    """
    for kind in ("string", "bytes32"):
        try:
            (symbol,) = read(node, address, _SYMBOL, (), (), [kind], "latest")
        except (InvalidInput, Rejected):
            continue
        text = symbol.rstrip(b"\0").decode("utf-8", "backslashreplace") if isinstance(symbol, bytes) else str(symbol)
        return "".join(each for each in text if each.isprintable())[:COIN_SYMBOL_CHARS_MAX]
    return ""
