"""Whether a payment could be settled now: asked of its form, its signature, and of the token by trying the transfer.

    0  the scheme and network are those that were asked for, the token is one that is settled here
    1  the transfer goes to whom, and is of what, was asked for
    2  it is valid now and for long enough to be mined
    3  the payer signed: by its key, or as its account says (ERC-1271)
    4  the token would make the transfer now, within the gas that a settlement may use

The last is the token's own word on signature, nonce and balance, and costs nobody gas; 3 says it first, cheaper and in
clearer words. An account may still change its mind before the transfer is mined: `settling.py` bounds what that costs.
Whoever is not told "valid" is told x402's code, the same that its reference facilitator gives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from tallystick.agents.payments import reasons
from tallystick.agents.payments.exact import KEY_BYTES, ExactPayment, domain_of, is_exact, read_exact
from tallystick.agents.payments.outcomes import Claimable, Refused, Unknown, Verdict
from tallystick.agents.payments.wire import Payment, Requirements
from tallystick.chain.bindings.token import Token
from tallystick.chain.coin import Coin
from tallystick.chain.facts import Block
from tallystick.chain.node import Node
from tallystick.chain.signing_domain import read_signing_domain
from tallystick.chain.wire import read_data, write_data, write_quantity
from tallystick.core import eip712
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.core.limits import PAYMENT_MARGIN_S, SETTLE_GAS_MAX


@dataclass(frozen=True)
class Allowed:
    """What is settled here: the tokens, and the payees where not everybody's payments are."""

    assets: Collection[str]
    payees: Collection[str] | None = None
    _domains: dict[str, eip712.Domain] = field(default_factory=dict, compare=False, repr=False)

    def refusal(self, requirements: Requirements) -> Refused | None:
        """Return why payments of these requirements are not settled here; None where they are."""
        try:
            asset, payee = parse_address(requirements.asset), parse_address(requirements.pay_to)
        except InvalidInput as error:
            return Refused(reasons.PAYLOAD, str(error))
        if asset not in self.assets:
            return Refused(reasons.ASSET, f"{asset} is not settled here")
        if self.payees is not None and payee not in self.payees:
            return Refused(reasons.PAYEE, f"payments to {payee} are not settled here")
        return None

    def domain(self, node: Node, asset: str) -> eip712.Domain:
        """Return the domain in which a token checks signatures, read from it once."""
        if asset not in self._domains:
            self._domains[asset] = read_signing_domain(node, asset)
        return self._domains[asset]


@dataclass(frozen=True)
class _Seen:
    """What the chain says of a payment: its newest block's time, whether the payer has code, why a transfer fails."""

    asset: str
    time: int
    has_code: bool
    trouble: TallystickError | None


class Verifier:
    """Asks the chain of `node`; `sender` is whoever would bring the transfers."""

    def __init__(self, node: Node, allowed: Allowed, clock: Callable[[], float], sender: str) -> None:
        self.network: Final = f"eip155:{node.chain_id}"
        self._node = node
        self._allowed = allowed
        self._clock = clock
        self._sender = sender

    def claim(self, payment: Payment, requirements: Requirements) -> Claimable | Refused:
        """Return what the payment claims to be."""
        try:
            return read_exact(payment).claim(requirements)
        except InvalidInput as error:
            return Refused(reasons.PAYLOAD, f"{error.code}: {error}")

    def verify(self, payment: Payment, requirements: Requirements) -> Verdict | Unknown:
        """Return whether it could be settled now; `Unknown` where the chain does not answer."""
        try:
            found = read_exact(payment)
        except InvalidInput as error:
            return Verdict(False, "", reasons.PAYLOAD, f"{error.code}: {error}")
        payer = found.authorization.payer
        try:
            refused = self._form(found, payment, requirements) or self._chain(found, requirements)
        except Unavailable as error:
            return Unknown.of(error, payer)
        if refused is not None:
            return Verdict(False, payer, refused.reason, refused.message)
        return Verdict(True, payer)

    # --- in order

    def _form(self, found: ExactPayment, payment: Payment, requirements: Requirements) -> Refused | None:
        """Steps 0 and 1."""
        if not is_exact(requirements) or not is_exact(payment.accepted):
            return Refused(reasons.SCHEME, "only exact by EIP-3009 is settled here")
        if requirements.network != self.network or payment.accepted.network != requirements.network:
            return Refused(reasons.NETWORK, f"settled here: {self.network}")
        refused = self._allowed.refusal(requirements)
        if refused is not None:
            return refused
        try:
            named = domain_of(requirements)
        except InvalidInput as error:
            return Refused(reasons.DOMAIN, str(error))
        if named != self._allowed.domain(self._node, named.verifying_contract):
            return Refused(reasons.DOMAIN, f"the token's domain is another than {named.name!r} {named.version!r}")
        one = found.authorization
        if one.payee != parse_address(requirements.pay_to):
            return Refused(reasons.RECIPIENT, f"goes to {one.payee}, was asked for {requirements.pay_to}")
        if one.amount != requirements.amount:
            return Refused(reasons.VALUE, f"is of {one.amount}, was asked for {requirements.amount}")
        return None

    def _chain(self, found: ExactPayment, requirements: Requirements) -> Refused | None:
        """Steps 2 to 4, on what the chain says in one answer."""
        seen = self._look(found, parse_address(requirements.asset))
        return self._times(found, seen) or self._signed(found, requirements, seen) or self._tried(found, seen)

    def _times(self, found: ExactPayment, seen: _Seen) -> Refused | None:
        """Step 2, by the later of this machine's clock and the chain's: some development chains run ahead."""
        now_s, one = max(int(self._clock()), seen.time), found.authorization
        if one.valid_before < now_s + PAYMENT_MARGIN_S:
            return Refused(reasons.EXPIRED, f"ends at {one.valid_before}, it is {now_s}")
        if one.valid_after > now_s:
            return Refused(reasons.EARLY, f"begins after {one.valid_after}, it is {now_s}")
        return None

    def _signed(self, found: ExactPayment, requirements: Requirements, seen: _Seen) -> Refused | None:
        """Step 3, for keys; what an account says is in step 4."""
        one = found.authorization
        if found.is_wrapped:
            return Refused(reasons.UNDEPLOYED, "accounts are not made here (ERC-6492)")
        if seen.has_code:
            return None
        if len(found.signature) != KEY_BYTES:
            return Refused(reasons.UNDEPLOYED, f"there is no account at {one.payer}")
        try:
            signer = eip712.recover(one.digest(domain_of(requirements)), found.signature)
        except VerificationFailed as error:
            return Refused(reasons.SIGNATURE, str(error))
        return None if signer == one.payer else Refused(reasons.SIGNATURE, f"signed by {signer}")

    def _tried(self, found: ExactPayment, seen: _Seen) -> Refused | None:
        """Step 4."""
        return None if seen.trouble is None else self._diagnose(found, seen, seen.trouble)

    def _look(self, found: ExactPayment, asset: str) -> _Seen:
        """Ask the chain for its time, for code at the payer, and whether the transfer would be made, in one go."""
        call, payer = found.call(self._node, asset), found.authorization.payer
        tried = {
            "from": self._sender, "to": asset, "data": write_data(call.data), "gas": write_quantity(SETTLE_GAS_MAX),
        }  # fmt: skip
        answers = self._node.request_batch(
            [
                ("eth_getBlockByNumber", ["latest", False]),
                ("eth_getCode", [payer, "latest"]),
                ("eth_call", [tried, "pending"]),
            ],
            _read,
        )
        block, code, transfer = answers
        if isinstance(block, TallystickError):
            raise block
        if isinstance(code, TallystickError):
            raise code
        if isinstance(transfer, TallystickError) and not isinstance(transfer, Rejected | InvalidInput):
            raise transfer
        return _Seen(asset, block, bool(code), transfer if isinstance(transfer, TallystickError) else None)

    def _diagnose(self, found: ExactPayment, seen: _Seen, trouble: TallystickError) -> Refused:
        """Return x402's code for a transfer that the token would refuse."""
        one, asset, told = found.authorization, seen.asset, f"{trouble.code}: {trouble.message}"[:200]
        try:
            if Token(self._node, asset).authorization_state(one.payer, one.nonce):
                return Refused(reasons.USED, told)
            if Coin(asset).balance(self._node, one.payer) < one.amount:
                return Refused(reasons.BALANCE, told)
        except (Rejected, InvalidInput) as error:
            return Refused(reasons.SIMULATION, f"{told}; {error.code}")
        if seen.has_code:
            return Refused(reasons.SIGNATURE, f"the payer's account does not say that it signed this; {told}")
        return Refused(reasons.SIMULATION, told)


def _read(value: object, method: str) -> int:
    """Return the time of a block, the length of code, or 0 for a call that went through."""
    if method == "eth_getBlockByNumber":
        return Block.read(value).timestamp
    return len(read_data(value, method))
