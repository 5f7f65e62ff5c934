"""Who could stop an account is tried without stopping it: keys that cannot or cannot pay, tokens that hold fast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tallystick.agents.policy.nouns import NATIVE
from tallystick.agents.rehearsal import Trial, rehearse
from tests.contracts.conftest import Ledger
from tests.contracts.policy_kit import DAY, GUARDIAN, HOUR, Wallet, World

POOR = "0x" + "5A" * 20  # a guardian whose key has no coins


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The contracts around accounts, on a ledger of their own."""
    ledger = Ledger(tmp_path_factory.mktemp("rehearsal") / "chain.db")
    yield World(ledger)
    ledger.node.close()


def tried(wallet: Any, *guardians: str) -> tuple[Trial, ...]:
    return rehearse(wallet.ledger.node, wallet.address, guardians)


def test_who_can_stop_it_and_empty_it_is_told_and_nothing_has_changed(world: World) -> None:
    wallet: Any = Wallet(world)
    wallet.fund(5)
    before = wallet.ledger.node.block().hash
    found = tried(wallet, wallet.guardian)
    assert [(one.who, one.deed, one.token) for one in found] == [
        (wallet.guardian, "freeze", ""), (wallet.owner, "freeze", ""), (wallet.owner, "sweep", NATIVE),
        (wallet.owner, "sweep", wallet.token.address),
    ]  # fmt: skip
    assert all(one.is_good and one.cost_wei > 0 for one in found)
    assert wallet.ledger.node.block().hash == before
    assert wallet.account.frozen_until() == 0


def test_a_key_without_the_role_and_a_key_without_coins_are_found(world: World) -> None:
    wallet: Any = Wallet(world, is_sealed=False)
    wallet.send(wallet.account.set_role(POOR, GUARDIAN, True), wallet.owner)
    stranger, poor = tried(wallet, wallet.stranger, POOR)[:2]
    assert (stranger.reason, stranger.is_good) == ("roles: not a guardian", False)
    assert (poor.reason, poor.can_pay, poor.is_good) == ("", False, False)
    assert rehearse(wallet.ledger.node, wallet.address, [POOR], is_free=True)[0].is_good
    assert poor.to_dict()["is_good"] is False


def test_a_frozen_account_can_be_frozen_on_and_emptied(world: World) -> None:
    wallet: Any = Wallet(world)
    wallet.send(wallet.account.freeze(DAY), wallet.guardian)
    assert all(one.is_good for one in tried(wallet, wallet.guardian))
    wallet.wait(HOUR)


def test_a_token_that_does_not_let_go_is_found_before_it_matters(world: World) -> None:
    wallet: Any = Wallet(world, kind="blocklisting")
    wallet.send(wallet.token.call("block(address,bool)", wallet.owner, True), wallet.stranger)
    (sweep,) = [one for one in tried(wallet) if one.deed == "sweep"]
    assert (sweep.token, sweep.reason) == (wallet.token.address, "owners: call failed")
