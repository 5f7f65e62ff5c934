"""A log is bound to its keys on chain, changes them there, and ends there."""

from __future__ import annotations

import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.core.errors import Rejected, VerificationFailed
from tallystick.inference.anchoring import open_log, retire_log, rotate_key, rotate_ticket_signer
from tests.inference.conftest import KEY, ORIGIN, TICKET_SIGNER, Chain

PUBLIC = KEY.public_key().public_bytes_raw()
NEWER = Account(b"\x0d" * 32).address


def test_a_log_is_registered_once_with_its_keys(chain: Chain) -> None:
    first = open_log(chain.outbox, chain.contract, ORIGIN, PUBLIC, TICKET_SIGNER)
    assert open_log(chain.outbox, chain.contract, ORIGIN, PUBLIC, TICKET_SIGNER) == first
    with pytest.raises(VerificationFailed) as caught:
        open_log(chain.outbox, chain.contract, ORIGIN, b"\x05" * 32, TICKET_SIGNER)
    assert caught.value.code == "log.binding"
    state = LogAnchor(chain.node, chain.contract).log_at(first)
    assert (state.origin, state.vkey, state.ticket_signer) == (ORIGIN, PUBLIC, TICKET_SIGNER)


def test_keys_change_on_chain_and_no_ticket_signer_comes_back(chain: Chain) -> None:
    log_id = open_log(chain.outbox, chain.contract, ORIGIN, PUBLIC, TICKET_SIGNER)
    assert rotate_key(chain.outbox, chain.contract, log_id, b"\x05" * 32) == 1
    assert rotate_ticket_signer(chain.outbox, chain.contract, log_id, NEWER) == 1
    state = LogAnchor(chain.node, chain.contract).log_at(log_id)
    assert (state.vkey, state.ticket_signer) == (b"\x05" * 32, NEWER)
    with pytest.raises(Rejected) as caught:
        rotate_ticket_signer(chain.outbox, chain.contract, log_id, TICKET_SIGNER)
    assert caught.value.code == "tickets: signer already used"


def test_a_log_ends_once_and_names_who_goes_on(chain: Chain) -> None:
    first = open_log(chain.outbox, chain.contract, ORIGIN, PUBLIC, TICKET_SIGNER)
    successor = open_log(chain.outbox, chain.contract, f"{ORIGIN}/2", PUBLIC, NEWER)
    with pytest.raises(Rejected) as caught:
        retire_log(chain.outbox, chain.contract, first, first)
    assert caught.value.code == "logs: bad successor"
    retire_log(chain.outbox, chain.contract, first, successor)
    state = LogAnchor(chain.node, chain.contract).log_at(first)
    assert (state.retired, state.successor) == (True, successor)
    for change in (
        lambda: retire_log(chain.outbox, chain.contract, first),
        lambda: rotate_key(chain.outbox, chain.contract, first, b"\x05" * 32),
    ):
        with pytest.raises(Rejected) as caught:
            change()
        assert caught.value.code == "logs: retired"
