"""One coin per contract: exactly the amount comes in, exactly the amount goes out, or nothing happens."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.contracts.kernels import compiled
from tests.contracts.token_kit import TestToken, make_token

NATIVE = "0x" + "00" * 20

# Keeps books as a user of the module does: every effect first, then the coin.
VAULT = """
# pragma version 0.4.3
from tallystick.contracts.src import coins

initializes: coins
exports: coins.coin
book: public(HashMap[address, uint256])

@deploy
def __init__(coin: address):
    coins.__init__(coin)

@payable
@external
def put(amount: uint256):
    self.book[msg.sender] += amount
    coins._take(amount)

@external
def get(amount: uint256):
    self.book[msg.sender] -= amount
    coins._send(msg.sender, amount)
"""

# Moves what it was asked to, and then answers what it was told to.
TALKER = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])
answer: Bytes[64]

@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount

@external
def say(answer: Bytes[64]):
    self.answer = answer

@raw_return
@external
def transfer(receiver: address, amount: uint256) -> Bytes[64]:
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount
    return self.answer

@raw_return
@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> Bytes[64]:
    self.balanceOf[owner] -= amount
    self.balanceOf[receiver] += amount
    return self.answer
"""

# Does what anybody tells it to, and takes no coins.
RELAY = """
# pragma version 0.4.3
@external
@payable
def relay(target: address, data: Bytes[4096], amount: uint256):
    raw_call(target, data, value=amount)
"""


class Vault:
    """The contract above in one coin, on a ledger."""

    def __init__(self, ledger, coin):
        self.ledger = ledger
        self.address = ledger.deploy(compiled(VAULT) + encode(["address"], [coin]))

    def put(self, amount, value=0):
        return Call(self.address, keccak(b"put(uint256)")[:4] + encode(["uint256"], [amount]), value)

    def get(self, amount):
        return Call(self.address, keccak(b"get(uint256)")[:4] + encode(["uint256"], [amount]))

    def booked(self, who):
        data = keccak(b"book(address)")[:4] + encode(["address"], [who])
        return int.from_bytes(self.ledger.call(self.address, data), "big")


def relayed(relay, call):
    given = encode(["address", "bytes", "uint256"], [call.to, call.data, call.value])
    return Call(relay, keccak(b"relay(address,bytes,uint256)")[:4] + given, call.value)


def token_vault(ledger, kind, given=1_000):
    """A vault in a token of this kind, which the second account holds and allows the vault to take."""
    token = make_token(ledger, kind)
    vault = Vault(ledger, token.address)
    token.give(ledger.accounts[1], given, vault.address)
    return token, vault


def test_a_contract_has_one_coin_that_is_a_token_or_native(ledger, refused):
    token = make_token(ledger)
    for coin in (NATIVE, token.address):
        found = ledger.call(Vault(ledger, coin).address, keccak(b"coin()")[:4])
        assert found == bytes.fromhex(coin[2:]).rjust(32, b"\0")
    with refused("coins: not a token"):
        ledger.node.call(None, compiled(VAULT) + encode(["address"], [ledger.accounts[1]]))


def test_native_coins_come_as_the_value_and_leave_as_asked(ledger, refused):
    vault, who = Vault(ledger, NATIVE), ledger.accounts[1]
    for value in (0, 99, 101):
        with refused("coins: wrong value"):
            ledger.send(vault.put(100, value), who)
    ledger.send(vault.put(100, 100), who)
    ledger.send(vault.get(30), who)
    assert (ledger.node.balance(vault.address), vault.booked(who)) == (70, 70)


def test_a_native_coin_that_is_refused_stays(ledger, refused):
    vault, sulker = Vault(ledger, NATIVE), ledger.deploy(compiled(RELAY))
    ledger.send(relayed(sulker, vault.put(5, 5)), ledger.accounts[1])
    with refused("coins: transfer refused"):
        ledger.send(relayed(sulker, vault.get(5)), ledger.accounts[1])
    assert (ledger.node.balance(vault.address), vault.booked(sulker)) == (5, 5)


@pytest.mark.parametrize("kind", ["ordinary", "no_return", "returns_false", "blocklisting", "reentrant"])
def test_a_token_moves_in_and_out_whether_it_answers_or_not(ledger, refused, kind):
    token, vault = token_vault(ledger, kind)
    who = ledger.accounts[1]
    with refused("coins: wrong value"):
        ledger.send(vault.put(100, 1), who)
    ledger.send(vault.put(100), who)
    assert (token.balance_of(vault.address), vault.booked(who)) == (100, 100)
    ledger.send(vault.get(30), who)
    assert (token.balance_of(vault.address), token.balance_of(who), vault.booked(who)) == (70, 930, 70)
    assert ledger.node.balance(vault.address) == 0


@pytest.mark.parametrize("kind", ["ordinary", "no_return", "returns_false", "blocklisting"])
def test_what_was_not_allowed_or_is_not_there_is_refused(ledger, refused, kind):
    token, vault = token_vault(ledger, kind)
    who, poor = ledger.accounts[1:3]
    with refused("coins: transfer refused"):  # more than it allowed, more than it holds
        ledger.send(vault.put(1_001), who)
    token.give(poor, 100)
    with refused("coins: transfer refused"):  # nothing allowed
        ledger.send(vault.put(1), poor)
    ledger.send(vault.put(0), poor)  # nothing needs no allowance
    assert token.balance_of(vault.address) == 0


def test_a_token_that_keeps_part_of_a_transfer_is_refused(ledger, refused):
    token, vault = token_vault(ledger, "fee_on_transfer")
    with refused("coins: other amount moved"):
        ledger.send(vault.put(100), ledger.accounts[1])
    assert token.balance_of(vault.address) == 0


def test_a_fee_that_a_token_begins_to_take_is_the_receivers_and_nobody_elses(ledger, refused):
    token, vault = token_vault(ledger, "fee_on_transfer")
    who = ledger.accounts[1]
    for _ in range(2):
        ledger.send(vault.put(50), who)  # a hundredth of it is nothing
    ledger.send(vault.get(100), who)
    assert (token.balance_of(who), token.balance_of(vault.address), vault.booked(who)) == (999, 0, 0)


def test_a_transfer_that_is_only_claimed_is_refused_both_ways(ledger, refused):
    token, vault = token_vault(ledger, "liar")
    who, pretend = ledger.accounts[1], [token.call("pretend(bool)", on) for on in (True, False)]
    ledger.send(pretend[0], who)
    with refused("coins: other amount moved"):
        ledger.send(vault.put(100), who)
    ledger.send(pretend[1], who)
    ledger.send(vault.put(100), who)
    ledger.send(pretend[0], who)
    with refused("coins: other amount moved"):
        ledger.send(vault.get(100), who)
    assert vault.booked(who) == 100


YES = (1).to_bytes(32, "big")


@pytest.mark.parametrize(
    ("answer", "is_yes"),
    [
        (b"", True),
        (YES, True),
        (bytes(32), False),
        ((2).to_bytes(32, "big"), False),
        (b"\x01".ljust(32, b"\0"), False),
        (YES[:31], False),
        (bytes(32) + YES, False),
    ],
)
def test_no_answer_is_a_yes_and_any_other_word_than_true_is_a_no(ledger, refused, answer, is_yes):
    token = TestToken(ledger, ledger.deploy(compiled(TALKER)))
    vault, who = Vault(ledger, token.address), ledger.accounts[1]
    ledger.send(token.mint(who, 100), who)
    ledger.send(vault.put(100), who)
    ledger.send(token.call("say(bytes)", answer), who)
    if is_yes:
        ledger.send(vault.get(50), who)
        ledger.send(vault.put(50), who)
    else:
        ledger.send(token.mint(who, 50), who)
        for moved in (vault.get(50), vault.put(50)):
            with refused("coins: transfer refused"):
                ledger.send(moved, who)
        ledger.send(vault.put(0), who)  # asks the token nothing
    assert vault.booked(who) == token.balance_of(vault.address) == 100


def test_an_account_that_a_token_blocks_keeps_what_it_is_owed(ledger, refused):
    token, vault = token_vault(ledger, "blocklisting")
    who = ledger.accounts[1]
    ledger.send(vault.put(100), who)
    ledger.send(token.call("block(address,bool)", who, True), who)
    with refused("coins: transfer refused"):
        ledger.send(vault.get(100), who)
    ledger.send(token.call("block(address,bool)", who, False), who)
    ledger.send(vault.get(100), who)
    assert token.balance_of(who) == 1_000


@pytest.mark.parametrize("before", [True, False])
def test_an_account_that_is_called_in_the_middle_of_a_transfer_gains_nothing(ledger, refused, before):
    """It puts or gets again by then: each of the two is right, or both are undone."""
    token, vault = token_vault(ledger, "reentrant")
    who, relay = ledger.accounts[1], ledger.deploy(compiled(RELAY))
    ledger.send(vault.put(100), who)  # somebody else's
    token.give(relay, 1_000)
    ledger.send(relayed(relay, token.approve(vault.address, 1_000)), who)
    ledger.send(relayed(relay, vault.put(100)), who)
    for outer in (vault.put(60), vault.get(60)):
        for inner in (vault.put(40), vault.get(40)):
            for insists in (True, False):
                ledger.send(token.arm(relayed(relay, inner), before=before, insists=insists), who)
                with refused("coins: other amount moved"):
                    ledger.send(relayed(relay, outer), who)
    ledger.send(token.arm(relayed(relay, vault.get(161)), before=before), who)  # more than it has: refused alone
    ledger.send(relayed(relay, vault.put(60)), who)
    assert token.read("attempts()") == 1
    assert token.read("succeeded()") == 0
    assert (vault.booked(relay), token.balance_of(vault.address)) == (160, 260)


def test_coins_that_arrive_unasked_in_the_middle_of_a_transfer_undo_it(ledger, refused):
    token, vault = token_vault(ledger, "reentrant")
    who = ledger.accounts[1]
    ledger.send(vault.put(100), who)
    ledger.send(token.arm(token.mint(vault.address, 7)), who)
    for moved in (vault.put(100), vault.get(50)):
        with refused("coins: other amount moved"):
            ledger.send(moved, who)


def test_a_rebasing_token_breaks_conservation_as_the_module_warns(ledger, refused):
    token, vault = token_vault(ledger, "rebasing")
    who, other = ledger.accounts[1:3]
    token.give(other, 1_000, vault.address)
    for account in (who, other):
        ledger.send(vault.put(100), account)
    ledger.send(token.call("rebase(uint256,uint256)", 1, 2), who)
    ledger.send(vault.get(100), who)
    with refused("coins: transfer refused"):  # the last one is left with nothing
        ledger.send(vault.get(100), other)
