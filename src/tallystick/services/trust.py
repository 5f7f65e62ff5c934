"""What a client of a gateway takes from the chain before it asks, so that it believes the gateway nothing."""

from __future__ import annotations

from tallystick.core.ticket import ticket_domain
from tallystick.services.client import Trusted
from tallystick.tally import Tally
from tallystick.tally.inference import LOG


def trusted_by_chain(tally: Tally, model_id: int, seq: int, name: str = LOG) -> Trusted:
    """Return the keys and digests under which answers of a model version count, for the log `name`.

    raises  InvalidInput "log.none", "log.unregistered"; Rejected where the registry knows no such version
    """
    return Trusted(
        key=tally.inference.verifier_key(name),
        log_id=tally.inference.log_id(name),
        domain=ticket_domain(tally.node.chain_id, tally.inference.address),
        ticket_signer=tally.inference.state(name).ticket_signer,
        version=tally.models.registry.version(model_id, seq).statement,
    )
