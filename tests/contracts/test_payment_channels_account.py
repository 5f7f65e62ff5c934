"""A policy account as payer: its rules say whom it opens channels for and for how much, and what a freeze stops."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.agents.channels.signing import NOBODY, channel_id, voucher_digest
from tallystick.chain.bindings.payment_channels import EVENTS, Terms
from tallystick.chain.bindings.policy_rules import Constraint, Rule
from tallystick.core.digest import keccak
from tallystick.core.eip712 import sign_digest
from tests.contracts.channel_kit import DELAY, LIFE, Channels
from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import DAY, INTENT, NATIVE, Wallet, World

TERMS = "(address,address,address,uint32,uint64,bytes32)"
OPEN, TOP_UP, REFUND, ASK = (
    keccak(text.encode())[:4]
    for text in (f"open({TERMS},uint128)", f"top_up({TERMS},uint128)", f"refund({TERMS},uint128)",
                 f"ask_withdrawal({TERMS})")
)  # fmt: skip


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


class Payer(Wallet):
    """A policy account whose session may open channels to its payee, with its own key as authorizer."""

    def __init__(self, world, *, is_native=False):
        super().__init__(world, is_sealed=False, denials_max=100)
        self.channels = Channels(self.ledger, None if is_native else self.token)
        key = int(self.session, 16)
        bound = (Constraint(2, key, key), Constraint(3, 900, DAY))
        rule = Rule(True, not is_native, 2, 1, -1 if is_native else 6, NATIVE if is_native else self.token.address,
                    0 if is_native else 500, 500 if is_native else 0, bound)  # fmt: skip
        for selector in (OPEN, TOP_UP):
            self.rule(self.channels.address, selector, rule)
        if is_native:
            self.fund(10_000)
            self.native_buckets(1_000)
        self.send(self.account.seal(), self.owner)

    def naming(self, payee=None, authorizer=None):
        """Return the terms of a channel of this account."""
        authorizer = self.session if authorizer is None else authorizer
        return Terms(self.address, payee or self.payee, authorizer, DELAY, self.now() + LIFE, bytes(32))

    def acting(self, call):
        return self.send(self.account.execute(call.to, call.value, call.data, INTENT), self.session)

    def opened(self, amount=300, terms=None):
        terms = terms or self.naming()
        mined = self.acting(self.channels.opening(terms, amount))
        return terms, mined


@pytest.mark.parametrize("is_native", [False, True])
def test_a_session_opens_and_feeds_a_channel_within_its_rules(world, is_native):
    payer = Payer(world, is_native=is_native)
    channels = payer.channels
    terms, mined = payer.opened()
    assert payer.reason(mined) == ""
    assert any(log.topics[0] in EVENTS for log in mined.logs)
    assert channels.state(terms).deposit == channels.held() == 300
    payer.acting(channels.contract.top_up(terms, 100, value=channels.value(100)))
    assert channels.state(terms).deposit == 400
    assert payer.available(token=NATIVE if is_native else None) == 600
    if not is_native:
        assert payer.token.allowance(payer.address, channels.address) == 0
    channels.send(channels.claiming(terms, 150), payer.payee)  # the session's key signs vouchers
    channels.send(channels.closing(terms, 200), payer.payee)
    assert channels.held() == 0


def test_the_rules_refuse_other_payees_keys_delays_and_amounts(world):
    payer = Payer(world)
    channels = payer.channels
    foreign = payer.naming(payee=payer.stranger)
    assert payer.reason(payer.opened(terms=foreign)[1]) == "payees: not allowed"
    assert payer.reason(payer.opened(501)[1]) == "rules: over the cap"
    assert payer.reason(payer.opened(terms=payer.naming(authorizer=payer.stranger))[1]) == "rules: word out of bounds"
    # A channel between strangers is not fed: the payee's word is read, and the contract wants its payer.
    strangers = channels.opened(10, payee=payer.payee)
    lied = channels.contract.top_up(strangers, 100, value=0)
    assert payer.reason(payer.acting(lied)) == "rules: word out of bounds"
    assert payer.reason(payer.acting(channels.contract.ask_withdrawal(strangers))) == "rules: no rule"
    assert channels.held() == 10


def test_a_freeze_stops_the_accounts_own_word_and_not_its_key_and_the_rest_comes_back(world):
    payer = Payer(world)
    channels = payer.channels
    terms, _ = payer.opened(300)
    held = payer.held()
    payer.send(payer.account.freeze(DAY), payer.guardian)
    channels.send(channels.claiming(terms, 120), payer.payee)  # signed before, or by a thief now: all the same
    call = channels.contract.ask_withdrawal(terms)
    channels.send(call, payer.session)  # its key may end it too
    channels.wait(DELAY)
    channels.send(channels.contract.withdraw(terms), payer.stranger)
    assert payer.held() - held == 180
    assert channels.held() == 0


def test_without_an_authorizer_the_account_answers_for_itself_until_it_is_frozen(world, refused):
    payer = Payer(world)
    channels = payer.channels
    rule = Rule(True, True, 2, 1, 6, payer.token.address, 500, 0, ())
    payer.change(payer.world.rules.set_rule(payer.address, channels.address, OPEN, rule))
    payer.change(payer.world.rules.set_payee(payer.address, channels.address, 1, 2**48 - 1))
    terms, mined = payer.opened(300, payer.naming(authorizer=NOBODY))
    assert payer.reason(mined) == ""

    def voucher(amount):
        digest = voucher_digest(channels.domain, channel_id(terms), amount)
        signature = sign_digest(payer.ledger.secrets[payer.session], digest)
        r, s = (int.from_bytes(signature[n : n + 32], "big") for n in (0, 32))
        given = [channels.address, channel_id(terms), amount, r, s, signature[64]]
        return encode(["address", "bytes32", *["uint256"] * 4], given)

    channels.send(channels.contract.claim(terms, 50, 50, voucher(50)), payer.stranger)
    with refused("claims: not signed"):  # the key alone is not the account
        channels.send(channels.claiming(terms, 60, signature=voucher(60)[-65:]), payer.stranger)
    payer.send(payer.account.freeze(DAY), payer.guardian)
    with refused("claims: not signed"):
        channels.send(channels.contract.claim(terms, 60, 60, voucher(60)), payer.payee)
    assert channels.state(terms).claimed == 50


@pytest.mark.parametrize("who", ["owner", "guardian"])
def test_who_may_freeze_an_account_may_end_its_channels(world, refused, who):
    payer = Payer(world)
    terms, _ = payer.opened(300)
    payer.send(payer.account.freeze(DAY), payer.guardian)
    call = payer.channels.contract.ask_withdrawal(terms)
    for stranger in (payer.stranger, payer.payee, *payer.approvers):
        with refused("endings: not the payer"):
            payer.send(call, stranger)
    payer.send(call, getattr(payer, who))
    held = payer.held()
    payer.channels.wait(DELAY)
    payer.send(payer.channels.contract.withdraw(terms), payer.stranger)
    assert payer.held() - held == 300


def test_a_payers_code_that_says_strange_things_of_roles_says_no(ledger, refused):
    channels = Channels(ledger)
    for answer in ('b"\\x03"', 'concat(b"\\x01", convert(3, bytes31))', 'b""'):
        odd = ledger.deploy(compiled(ODD % answer))
        terms = channels.terms(payer=odd)
        call = channels.opening(terms, 10)
        data = keccak(b"do(address,bytes,uint256)")[:4] + encode(
            ["address", "bytes", "uint256"], [call.to, call.data, 10]
        )
        channels.send(type(call)(odd, data, 10), channels.stranger)
        with refused("endings: not the payer"):
            channels.send(channels.contract.ask_withdrawal(terms), channels.stranger)


ODD = """
# pragma version 0.4.3
@raw_return
@view
@external
def role_of(who: address) -> Bytes[32]:
    return %s

@payable
@external
def do(target: address, data: Bytes[2048], amount: uint256):
    raw_call(target, data, value=amount)
"""


def test_a_plain_transfer_to_the_contract_is_refused_by_the_list_of_payees(world):
    """Coins sent there without a verb are nobody's: the list names payees, and the contract need not be one."""
    payer = Payer(world)
    mined = payer.pay(5, payer.channels.address)
    assert payer.reason(mined) == "payees: not allowed"
