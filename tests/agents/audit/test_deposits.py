"""Deposits in channels: the coins go to a contract, and the record speaks of the payee whom the contract names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from tallystick.agents.audit import judge, read_evidence
from tallystick.agents.audit.records import Records
from tallystick.chain.bindings.payment_channels import Opened, PaymentChannels, Terms
from tallystick.contracts import artifact
from tallystick.core.digest import keccak
from tallystick.store.blobs import BlobStore
from tests.agents.audit.story import Story
from tests.contracts.conftest import Ledger
from tests.contracts.policy_kit import HOUR, pay_rule

OPEN = keccak(b"open((address,address,address,uint32,uint64,bytes32),uint128)")[:4]


class Depositing(Story):
    """An account whose session may open channels, before its life begins."""

    def _permit(self) -> None:
        made = artifact("PaymentChannels").bytecode + encode(["address"], [self.coin.address])
        self.channels = PaymentChannels(self.ledger, self.ledger.deploy(made))
        rule = pay_rule(self.coin.address, pulls=True, recipient_word=1, amount_word=6)
        self.wallet.rule(self.channels.address, OPEN, rule)
        super()._permit()

    def deposit(self, amount: int, meant: str | None = None) -> Any:
        """Open a channel to the payee, with a record that speaks of `meant`."""
        wallet = self.wallet
        terms = Terms(self.address, wallet.payee, wallet.session, HOUR, wallet.now() + 24 * HOUR, bytes(32))
        intent = self.meant(meant or wallet.payee, amount)
        mined = self.execute(self.channels.address, 0, self.channels.open(terms, amount, value=0).data, intent)
        return next(log for log in mined.logs if log.topics[0] == Opened.topic)

    def codes(self, without: Any = None) -> list[str]:
        """Return the gaps that an audit finds, if the chain had not one of its logs."""
        found = read_evidence(self.node, self.address)
        found = replace(found, logs=tuple(log for log in found.logs if log != without))
        return [one.code for one in judge(found, Records.of(self.intents, ())).gaps]


@pytest.fixture
def story(ledger: Ledger, tmp_path: Path) -> Depositing:
    return Depositing(ledger, BlobStore(str(tmp_path)))


def test_a_record_of_a_deposit_speaks_of_the_channels_payee_and_the_contract_confirms_it(story: Depositing) -> None:
    opened = story.deposit(300)
    assert story.codes() == []
    assert story.codes(without=opened) == ["intents.contradicts"], "only the contract's own word confirms the payee"


def test_a_record_of_a_deposit_that_speaks_of_another_contradicts(story: Depositing) -> None:
    story.deposit(300, meant=story.wallet.guardian)
    assert story.codes() == ["intents.contradicts"]


def test_a_proof_covers_the_deposits(story: Depositing) -> None:
    opened = story.deposit(300)
    assert story.audit(is_proven=True).is_balanced
    assert opened in read_evidence(story.node, story.address).logs
