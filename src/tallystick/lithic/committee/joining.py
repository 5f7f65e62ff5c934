"""Becoming a provider: a key that proves itself, a bond, and offers. Asking for what is so already sends nothing."""

from __future__ import annotations

from collections.abc import Mapping

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import Committee
from tallystick.chain.coin import Coin
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import InvalidInput
from tallystick.lithic.committee.provider import Service
from tallystick.lithic.committee.request import NOBODY
from tallystick.lithic.receipts.answer import assurance_domain, key_digest


def check_coin(contract: Committee, coin: str) -> None:
    """Return if the committee counts in this coin, a token's address or NOBODY for the native one.

    raises  InvalidInput "node.coin"
    """
    found = contract.coin()
    if found != coin:
        raise InvalidInput(
            "node.coin", "the committee counts in another coin than the plan", expected=coin, got=found,
            hint='say `coin = "0x…"` in the plan, and costs and stakes in that coin\'s smallest unit',
        )  # fmt: skip


def register(contract: Committee, outbox: Outbox, signer: Account, bond: int) -> None:
    """Return when the outbox's account is a provider whose answers `signer` signs, with a first bond of that amount.

    Doing so again with the same key changes nothing; with another key, the key is rotated. Where the committee counts
    in a token it is allowed to take exactly the bond.
    """
    account = outbox.account.address
    domain = assurance_domain(outbox.node.chain_id, contract.address)
    known = contract.provider_at(account)
    if known.signer == signer.address:
        return
    proof = signer.sign_digest(key_digest(account, domain))
    if known.signer == NOBODY:
        coin = Coin(contract.coin())
        coin.approve(outbox, contract.address, bond)
        call = contract.register(signer.address, proof, bond, value=bond if coin.is_native else 0)
        outbox.send_and_wait(call, key=f"register {account} {signer.address} {bond} {contract.address}")
    else:
        outbox.send_and_wait(
            contract.rotate_key(signer.address, proof), key=f"rotate to {signer.address} {contract.address}"
        )


def offer(contract: Committee, outbox: Outbox, services: Mapping[bytes, Service]) -> None:
    """Return when the outbox's account offers these models on these conditions."""
    account = outbox.account.address
    for model, service in services.items():
        known = contract.offer_of(account, model)
        if (known.is_open, known.fee_min, known.kernel) != (True, service.cost, service.kernel):
            key = f"offer {model.hex()} {service.cost} {service.kernel} at {outbox.node.block_number()}"
            outbox.send_and_wait(contract.offer_model(model, service.cost, service.kernel), key=key)
