"""Becoming a provider: a key that proves itself, a bond, and offers. Asking for what is so already sends nothing."""

from __future__ import annotations

from collections.abc import Mapping

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import Committee
from tallystick.chain.outbox import Outbox
from tallystick.lithic.committee.answer import assurance_domain, key_digest
from tallystick.lithic.committee.provider import Service
from tallystick.lithic.committee.request import NOBODY


def register(contract: Committee, outbox: Outbox, signer: Account, bond: int) -> None:
    """Return when the outbox's account is a provider whose answers `signer` signs; its first bond is `bond` wei.

    Doing so again with the same key changes nothing; with another key, the key is rotated.
    """
    account = outbox.account.address
    domain = assurance_domain(outbox.node.chain_id, contract.address)
    known = contract.provider_at(account)
    if known.signer == signer.address:
        return
    proof = signer.sign_digest(key_digest(account, domain))
    if known.signer == NOBODY:
        outbox.send_and_wait(
            contract.register(signer.address, proof, value=bond), key=f"register {account} {contract.address}"
        )
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
