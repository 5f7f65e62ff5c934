"""A token by its address: what it calls itself, how people write its amounts, and in which domain its holders sign."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.coin import Coin as Known
from tallystick.chain.coin import read_coin
from tallystick.chain.signing_domain import read_signing_domain
from tallystick.core.eip712 import Domain
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.limits import COIN_DECIMALS_MAX, COIN_SYMBOL_CHARS_MAX
from tests.contracts.coin_kit import Coin
from tests.contracts.constructors import DECIMALS, NAME, SYMBOL
from tests.contracts.kernels import compiled
from tests.contracts.token_kit import make_token

HEAD = """
# pragma version 0.4.3
@view
@external
def totalSupply() -> uint256:
    return 5
"""
OLD_SYMBOL = """
@view
@external
def symbol() -> bytes32:
    return 0x4d4b520000000000000000000000000000000000000000000000000000000000

@view
@external
def decimals() -> uint256:
    return 18
"""
# A token whose name() is not that of its domain, as with bridged ones, and which knows no EIP-5267.
BRIDGED = """
@view
@external
def name() -> String[32]:
    return "Bridged Coin"

@view
@external
def version() -> String[8]:
    return "{version}"

@view
@external
def DOMAIN_SEPARATOR() -> bytes32:
    type_hash: bytes32 = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    )
    return keccak256(abi_encode(type_hash, keccak256("Bridged Coin"), keccak256("{signed}"), {chain}, self))
"""


def deployed(ledger, *parts):
    return ledger.deploy(compiled(HEAD + "".join(parts)))


def bridged(version="2", signed="2", chain="chain.id"):
    return BRIDGED.format(version=version, signed=signed, chain=chain)


def test_a_token_says_what_it_is_called_and_how_its_amounts_are_written(ledger):
    token = Coin(ledger).contract.address
    assert read_coin(ledger.node, token) == Known(token, DECIMALS, SYMBOL)


def test_the_first_tokens_called_themselves_in_32_bytes(ledger):
    token = deployed(ledger, OLD_SYMBOL)
    assert read_coin(ledger.node, token) == Known(token, 18, "MKR")


def test_a_token_without_decimals_and_symbol_is_counted_in_units(ledger):
    token = deployed(ledger)
    coin = read_coin(ledger.node, token)
    assert coin == Known(token, 0, "")
    assert coin.parse("12", "amount") == 12
    with pytest.raises(InvalidInput):
        coin.parse("1.2", "amount")


def test_what_has_no_supply_either_is_no_token(ledger):
    other = ledger.deploy(compiled("# pragma version 0.4.3\n@external\ndef f():\n    pass\n"))
    with pytest.raises(InvalidInput) as caught:
        read_coin(ledger.node, other)
    assert caught.value.code == "coin.decimals"


def test_a_token_tells_the_domain_in_which_it_checks(ledger):
    coin = Coin(ledger)
    assert read_signing_domain(ledger.node, coin.contract.address) == coin.domain
    assert coin.domain.name == NAME


def test_a_token_without_eip5267_is_understood_by_name_and_version(ledger):
    for source, version in ((bridged(), "2"), (bridged(version="9", signed="1"), "1")):
        token = deployed(ledger, source)
        assert read_signing_domain(ledger.node, token) == Domain("Bridged Coin", version, ledger.chain_id, token)


@pytest.mark.parametrize("source", [bridged(signed="7"), bridged(chain="chain.id + 1")])
def test_a_token_that_checks_in_another_domain_than_it_tells_is_refused(ledger, source):
    with pytest.raises(VerificationFailed) as caught:
        read_signing_domain(ledger.node, deployed(ledger, source))
    assert caught.value.code == "token.domain"


def test_a_token_that_takes_no_signatures_says_so(ledger):
    with pytest.raises(InvalidInput) as caught:
        read_signing_domain(ledger.node, make_token(ledger).address)
    assert caught.value.code == "token.unsigned"


class Anything:
    """A node at which every view answers what it was given, or refuses, in turn."""

    chain_id = 1

    def __init__(self, answers):
        self.answers = list(answers)

    def check_contract(self, address):
        pass

    def call(self, to, data, *, at="latest", sender=None, value=0):
        answer = self.answers.pop() if self.answers else b""
        if answer is None:
            raise Rejected("chain.reverted", "no")
        return answer


def text(raw):
    return (32).to_bytes(32, "big") + len(raw).to_bytes(32, "big") + raw.ljust(-(-len(raw) // 32) * 32, b"\0")


answers = st.lists(
    st.one_of(
        st.none(),
        st.binary(max_size=130),
        st.binary(max_size=64).map(text),
        st.integers(0, 300).map(lambda n: n.to_bytes(32, "big")),
        st.binary(min_size=32, max_size=32),
    ),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(answers)
def test_whatever_a_token_answers_is_a_coin_or_a_refusal(given):
    token = "0x" + "11" * 20
    try:
        coin = read_coin(Anything(given), token)
    except InvalidInput as error:
        assert error.code == "coin.decimals"  # noqa: PT017  the property is about what escapes
    else:
        assert 0 <= coin.decimals <= COIN_DECIMALS_MAX
        assert len(coin.symbol) <= COIN_SYMBOL_CHARS_MAX
        assert coin.symbol == "" or coin.symbol.isprintable()
    try:
        read_signing_domain(Anything(given), token)
    except (InvalidInput, VerificationFailed) as error:
        assert error.code in ("token.unsigned", "token.domain")  # noqa: PT017


def test_a_symbol_cannot_play_with_a_terminal():
    tricks = "\x1b[31m\u202eUSDC\n".encode()
    given = [text(tricks), (6).to_bytes(32, "big")]
    assert read_coin(Anything(given), "0x" + "11" * 20).symbol == "[31mUSDC"
