"""Payment channels of this workspace: those that it pays over, and those that it is paid over.

The books lie in the workspace's folder `payments`. Each coin has a contract of its own, at an address that the coin
determines; whoever opens the first channel in a coin puts it there. A channel of a policy account is opened and fed by
a session, under its rules; its vouchers are signed by that session's key, and so cost nobody more than the deposit.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.agents.channels.payee import Payee
from tallystick.agents.channels.payee_book import Account, PayeeBook
from tallystick.agents.channels.payer import Payer
from tallystick.agents.channels.payer_book import Channel, PayerBook
from tallystick.agents.channels.settling import Due, SettlePolicy, batches, find_due
from tallystick.agents.channels.signing import channel_id, domain_of, signer_of
from tallystick.agents.channels.standing import Standing, Standings
from tallystick.agents.intents import Payment
from tallystick.chain.bindings.payment_channels import PaymentChannels, Terms
from tallystick.chain.calls import Call
from tallystick.chain.coin import Coin, read_coin
from tallystick.chain.deploy import address_for, check_code, deploy, read_coin_of
from tallystick.chain.facts import TxReceipt
from tallystick.core.errors import InvalidInput
from tallystick.tally.agents import senders
from tallystick.tally.agents.reasons import Reasons

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

CONTRACT = "PaymentChannels"


@dataclass(frozen=True)
class By:
    """Who opens and feeds a channel: a key itself, or the session whose key it is, of a policy account.

    key     of this workspace, by name
    wallet  a policy account by name or address; "" for the key itself
    why     for the intent record of a session's act
    """

    key: str = senders.OWN
    wallet: str = ""
    why: Reasons | None = None


class Channels:
    """The channels of a workspace; close it with the workspace."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    @cached_property
    def paying(self) -> PayerBook:
        """What was signed over channels: the payer's book."""
        return PayerBook(self._tally.workspace.payments_path / "channels-paying.db")

    @cached_property
    def paid(self) -> PayeeBook:
        """What was charged over channels: the payee's book, of this workspace's contract of a coin."""
        return PayeeBook(self._tally.workspace.payments_path / "channels-paid.db")

    def close(self) -> None:
        """Close the books that were opened."""
        for name in ("paying", "paid"):
            part = self.__dict__.pop(name, None)
            if part is not None:
                part.close()

    def contract(self, coin: str, *, make: bool = False) -> PaymentChannels:
        """Return the contract of channels in a coin.

        make    put it there where it is not; otherwise InvalidInput "chain.no_contract" says that nobody did
        raises  VerificationFailed "deploy.code" where other code is
        """
        node = self._tally.node
        if make:
            return PaymentChannels(node, deploy(self._tally.outbox, CONTRACT, arguments=[coin]).address)
        address = address_for(CONTRACT, arguments=[coin])
        check_code(node, CONTRACT, address, has_immutables=True)
        return PaymentChannels(node, address)

    # --- paying

    def open(
        self, by: By, payee: str, coin: Coin, units: int, *, delay_s: int, valid_s: int, step: int = 0
    ) -> tuple[Channel, bytes]:
        """Return a new channel to a payee, in the payer's book, and the transaction that made it.

        step    vouchers are signed so much ahead: faster, and so much more at risk
        raises  Rejected with the contract's, the coin's or the policy's reason
        """
        contract = self.contract(coin.address, make=True)
        key = senders.account_of(self._tally, by.key).address
        payer = self._tally.agents.wallet(by.wallet).address if by.wallet else key
        terms = Terms(payer, payee, key, delay_s, senders.now_s(self._tally) + valid_s, secrets.token_bytes(32))
        self.paying.add(terms, self._tally.node.chain_id, contract.address, 0, step=step)
        call = contract.open(terms, units, value=units if coin.is_native else 0)
        done = self._pay(by, call, terms, coin, units, f"open {channel_id(terms).hex()}")
        return self.refresh(channel_id(terms)), done

    def top_up(self, channel: bytes, by: By, units: int) -> tuple[Channel, bytes]:
        """Return a channel with so much more, and the transaction."""
        found = self.paying.channel(channel)
        coin = self.coin_of(found.contract)
        call = PaymentChannels(self._tally.node, found.contract).top_up(
            found.terms, units, value=units if coin.is_native else 0
        )
        done = self._pay(by, call, found.terms, coin, units, f"top up {channel.hex()}")
        return self.refresh(channel), done

    def refresh(self, channel: bytes) -> Channel:
        """Return a channel of the payer's book with the deposit that the chain has now."""
        found = self.paying.channel(channel)
        deposit = PaymentChannels(self._tally.node, found.contract).channel_of(channel).deposit
        self.paying.add(found.terms, found.chain_id, found.contract, deposit)
        return self.paying.channel(channel)

    def withdraw(self, channel: bytes, by: str) -> tuple[Standing, TxReceipt]:
        """Take the next step to get the rest back: ask for it, or, once it is time, have it sent to the payer.

        raises  Rejected "endings: not the payer", "endings: too early", "books: closed"
        """
        found = self.paying.channel(channel)
        contract, standing = PaymentChannels(self._tally.node, found.contract), self.standing(found.contract, channel)
        is_due = senders.now_s(self._tally) >= found.terms.expires or standing.closes
        call = contract.withdraw(found.terms) if is_due else contract.ask_withdrawal(found.terms)
        receipt = senders.send(self._tally, by, call, f"withdraw {channel.hex()}")
        return self.standing(found.contract, channel), receipt

    def payer(self, channel: bytes) -> Payer:
        """Return who signs over a channel of the payer's book: the key of this workspace that its terms name.

        raises  InvalidInput "channel.no_key" where this workspace has no such key
        """
        wanted = signer_of(self.paying.channel(channel).terms)
        if wanted == self._tally.account.address:
            return Payer(self.paying, self._tally.secret(senders.OWN).reveal())
        for one in self._tally.workspace.keyring.list():
            if one.kind == "secp256k1" and one.public.lower() == wanted.lower():
                return Payer(self.paying, self._tally.secret(one.name).reveal())
        raise InvalidInput("channel.no_key", "this workspace has not the key that signs", expected=wanted)

    # --- being paid

    def payee(self, coin: str, key: str = senders.OWN) -> Payee:
        """Return who takes calls over channels in a coin; the key signs receipts, and its account is paid."""
        contract = self.contract(coin, make=True)
        standings = Standings(self._tally.node, contract.address, time.monotonic)
        domain = domain_of(self._tally.node.chain_id, contract.address)
        return Payee(self.paid, standings, domain, self._tally.secret(key).reveal())

    def due(self, coin: str, policy: SettlePolicy) -> list[Due]:
        """Return the channels in a coin that are to be settled, the most urgent first."""
        contract = self.contract(coin).address
        accounts = [(one, self.standing(contract, one.id)) for one in self.paid.accounts()]
        known = [(one, standing) for one, standing in accounts if standing.is_known]
        return find_due(known, policy, time.time(), senders.now_s(self._tally))

    def settle(self, coin: str, policy: SettlePolicy, by: str) -> tuple[list[Due], list[TxReceipt]]:
        """Bring what is due to the chain, 64 channels in a transaction; return what was brought."""
        contract, due = self.contract(coin), self.due(coin, policy)
        receipts = []
        for part in batches(due):
            call = contract.claim_many(part[0].account.terms.payee, [one.claim() for one in part])
            receipts.append(senders.send(self._tally, by, call, "settle channels"))
            for one in part:
                claimed = self.standing(contract.address, one.account.id).claimed
                self.paid.record_claimed(one.account.id, claimed, time.time())
        return due, receipts

    def end(self, channel: bytes, coin: str, by: str) -> tuple[Standing, TxReceipt]:
        """Close a channel as its payee: what was charged comes here, the rest goes back to the payer.

        raises  InvalidInput "channel.not_ours"; Rejected "endings: not the payee", "books: closed"
        """
        contract, account = self.contract(coin), self.account(channel)
        claimed = self.standing(contract.address, channel).claimed
        call = contract.close(
            account.terms, account.highest, max(min(account.spent, account.highest), claimed), account.voucher
        )
        receipt = senders.send(self._tally, by, call, f"close {channel.hex()}")
        standing = self.standing(contract.address, channel)
        self.paid.record_claimed(channel, standing.claimed, time.time())
        return standing, receipt

    def refund(self, channel: bytes, coin: Coin, units: int, by: str) -> TxReceipt:
        """Give so much back into a channel, as its payee: it is the payer's to spend there or to get back at its end.

        raises  InvalidInput "channel.not_ours"; Rejected "deposits: not the payee", "books: closed", "coin.balance"
        """
        contract, account = self.contract(coin.address), self.account(channel)
        with senders.outbox_of(self._tally, by) as outbox:
            coin.approve(outbox, contract.address, units)
        call = contract.refund(account.terms, units, value=units if coin.is_native else 0)
        return senders.send(self._tally, by, call, f"refund {channel.hex()}")

    def account(self, channel: bytes) -> Account:
        """Return what the payee's book says of a channel; raises InvalidInput "channel.not_ours"."""
        found = self.paid.account(channel)
        if found is None:
            raise InvalidInput(
                "channel.not_ours", f"channel {channel.hex()} is not in this book",
                hint="`tally agent channel list` shows those that are",
            )  # fmt: skip
        return found

    # --- both

    def standing(self, contract: str, channel: bytes) -> Standing:
        """Return how a channel stands on chain now."""
        return Standings(self._tally.node, contract, time.monotonic).of(channel)

    def coin_of(self, contract: str) -> Coin:
        """Return the coin of a contract of channels."""
        return read_coin(self._tally.node, read_coin_of(self._tally.node, contract))

    def _pay(self, by: By, call: Call, terms: Terms, coin: Coin, units: int, intent: str) -> bytes:
        """Send a call that deposits, from a key or through a session; return the transaction."""
        target = str(call.to)
        if by.wallet:
            if by.why is None or not by.why.purpose:
                raise InvalidInput("channel.why", "a session's act has a reason", hint="say what for with --for")
            acting = self._tally.agents.wallet(by.wallet).acting
            paid = Payment(terms.payee, coin.address, units)
            return acting.act(by.key, target, call.data, call.value, by.why, payment=paid).transaction
        with senders.outbox_of(self._tally, by.key) as outbox:
            coin.approve(outbox, target, units)
        return senders.send(self._tally, by.key, call, intent).transaction_hash
