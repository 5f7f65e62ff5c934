"""ERC-1271: an account says yes to authorizations within slots, vouchers of own channels, approved digests; else no."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.eip712 import SECP256K1_ORDER
from tallystick.core.errors import Rejected
from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import COUNTERPARTY, DAY, FOREVER, HOUR, Wallet, World
from tests.contracts.test_policy_signed import NO, RECEIVE_TYPE, TRANSFER_TYPE, YES, Coin, asked, authorization

CHANNELS = """
# pragma version 0.4.3
payer_of: public(HashMap[bytes32, address])
@external
def open(channel_id: bytes32, payer: address):
    self.payer_of[channel_id] = payer
@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    return keccak256(abi_encode(self))
"""


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


@pytest.fixture
def paying(world):
    """A wallet in a token with EIP-3009 whose session has 3 slots an hour of at most 100 units."""
    coin = Coin(world.ledger)
    made = Wallet(world, token=coin, slots=3, slot_period_s=HOUR, slot_cap=100, slot_token=coin.address)
    made.wait(HOUR - made.now() % HOUR + 1)  # so that no test sits on the edge of a period
    return made


@pytest.mark.parametrize("kind", [TRANSFER_TYPE, RECEIVE_TYPE], ids=["transfer", "receive"])
def test_an_authorization_within_the_slots_is_answered_yes(paying, kind):
    _, digest, signature = authorization(paying, kind=kind)
    assert len(signature) == 288
    assert asked(paying, digest, signature) == YES


def test_an_authorization_pays_without_gas_of_the_agent_once_a_slot(paying, refused):
    call, _, _ = authorization(paying, 100)
    paying.send(call, paying.stranger)
    assert paying.token.balance_of(paying.payee) == 100
    for amount in (100, 99):
        with pytest.raises(Exception, match="eip3009: "):
            paying.send(authorization(paying, amount)[0], paying.stranger)
    paying.send(authorization(paying, 100, slot=2)[0], paying.stranger)
    assert paying.token.balance_of(paying.payee) == 200


@pytest.mark.parametrize(
    "given",
    [{"amount": 101}, {"slot": 3}, {"slot": 2**32 - 1}, {"period": 0}, {"payee": 6}, {"who": 6}, {"before": DAY}],
)
def test_an_authorization_beyond_the_slots_is_answered_no(paying, given):
    given = {key: paying.ledger.accounts[v] if key in ("payee", "who") else v for key, v in given.items()}
    if "before" in given:
        given["before"] = paying.now() + DAY + 1
    _, digest, signature = authorization(paying, **given)
    assert asked(paying, digest, signature) == NO


def test_an_even_and_an_odd_slot_change_periods_half_a_period_apart(paying):
    at_start = [authorization(paying, slot=slot)[1:] for slot in (0, 1)]
    paying.wait(HOUR // 2 - 10)
    assert [asked(paying, *one) for one in at_start] == [YES, YES]
    paying.wait(10)
    assert [asked(paying, *one) for one in at_start] == [YES, NO]
    in_the_middle = [authorization(paying, slot=slot, before=paying.now() + HOUR)[1:] for slot in (0, 1)]
    paying.wait(HOUR // 2 - 2)
    assert [asked(paying, *one) for one in in_the_middle] == [NO, YES]  # in flight over the even slots' edge
    assert asked(paying, *authorization(paying, slot=1, period=paying.now() // HOUR)[1:]) == YES
    paying.wait(HOUR // 2 - 2)
    assert asked(paying, *in_the_middle[1]) == YES
    paying.wait(2)
    assert asked(paying, *in_the_middle[1]) == NO


def test_an_authorization_of_another_period_is_answered_no(paying):
    now = paying.now() // HOUR
    for period in (now - 1, now + 1):
        _, digest, signature = authorization(paying, period=period)
        assert asked(paying, digest, signature) == NO
    _, digest, signature = authorization(paying)
    paying.wait(HOUR)
    assert asked(paying, digest, signature) == NO


def test_what_the_signature_says_is_what_was_signed(paying):
    _, digest, signature = authorization(paying)
    for place in (0, 63, 95, 127, 159, 160, 255):
        bent = bytearray(signature)
        bent[place] ^= 1
        assert _refuses(paying, digest, bytes(bent)), place
    s = int.from_bytes(signature[224:256], "big")
    mirrored = signature[:224] + (SECP256K1_ORDER - s).to_bytes(32, "big") + bytes(31) + bytes([55 - signature[-1]])
    assert asked(paying, digest, mirrored) == NO
    assert asked(paying, keccak(digest), signature) == NO


def test_a_payee_with_a_bucket_is_not_paid_by_who_cannot_count(paying):
    _, digest, signature = authorization(paying)
    paying.bucket(COUNTERPARTY, paying.payee, cap=10_000)
    assert asked(paying, digest, signature) == NO


def test_a_token_that_is_not_the_slots_is_answered_no(paying):
    other = Coin(paying.ledger)
    _, _, signature = authorization(paying)
    forged = bytes(12) + bytes.fromhex(other.address[2:]) + signature[32:]
    message = keccak(encode(["bytes32", "address"], [TRANSFER_TYPE, paying.address]) + forged[32 : 32 * 6])
    digest = keccak(b"\x19\x01" + other.token.domain_separator() + message)
    assert asked(paying, digest, forged) == NO


def test_while_the_owner_is_silent_the_answer_is_no(world):
    coin = Coin(world.ledger)
    wallet = Wallet(
        world, token=coin, heartbeat_s=DAY, slots=3, slot_period_s=HOUR, slot_cap=100, slot_token=coin.address
    )
    wallet.wait(DAY - (wallet.now() - wallet.account.last_heartbeat()))
    assert asked(wallet, *authorization(wallet)[1:]) == YES
    wallet.wait(1)
    assert asked(wallet, *authorization(wallet)[1:]) == NO
    assert wallet.level() == 2  # nobody has acted, so nothing is written down
    wallet.send(wallet.account.heartbeat(), wallet.owner)
    assert asked(wallet, *authorization(wallet)[1:]) == YES


@pytest.mark.parametrize("level", [0, 1])
def test_below_level_two_the_answer_is_no(paying, level):
    _, digest, signature = authorization(paying)
    paying.send(paying.account.set_level(paying.session, level), paying.session)
    assert asked(paying, digest, signature) == NO


def test_a_freeze_kills_every_authorization_for_good(paying, refused):
    _, digest, signature = authorization(paying)
    paying.send(paying.account.freeze(60), paying.guardian)
    with refused("roles: frozen"):
        asked(paying, digest, signature)
    paying.wait(61)
    with refused("sessions: not live"):
        asked(paying, digest, signature)


def test_sixty_five_bytes_are_never_answered_yes(paying):
    digest = b"d" * 32
    assert asked(paying, digest, paying.sign(digest)) == NO
    assert asked(paying, digest, paying.sign(digest, paying.owner)) == NO
    assert asked(paying, digest, b"") == NO
    paying.send(paying.account.approve_digest(digest, FOREVER), paying.owner)
    assert asked(paying, digest, b"") == YES
    assert asked(paying, digest, b"any" * 9) == YES
    assert asked(paying, digest, paying.sign(digest)) == NO
    paying.send(paying.account.approve_digest(digest, paying.now() - 1), paying.owner)
    assert asked(paying, digest, b"") == NO


def test_an_unsealed_account_signs_nothing(world):
    wallet = Wallet(world, is_sealed=False)
    wallet.send(wallet.account.approve_digest(b"d" * 32, FOREVER), wallet.owner)
    assert asked(wallet, b"d" * 32, b"") == NO


def test_a_voucher_of_an_own_channel_is_answered_yes_and_of_no_other(wallet):
    channels = wallet.ledger.deploy(compiled(CHANNELS))
    wallet.change(wallet.world.rules.set_payee(wallet.address, channels, 1, FOREVER))

    def opened(channel_id, payer):
        data = keccak(b"open(bytes32,address)")[:4] + encode(["bytes32", "address"], [channel_id, payer])
        wallet.send(Call(channels, data), wallet.stranger)

    def voucher(channel_id, amount, who=None, place=channels):
        domain = keccak(encode(["address"], [channels]))
        kind = keccak(b"Voucher(bytes32 channelId,uint128 maxClaimableAmount)")
        message = keccak(encode(["bytes32", "bytes32", "uint256"], [kind, channel_id, amount]))
        digest = keccak(b"\x19\x01" + domain + message)
        signed = wallet.sign(digest, who)
        return digest, encode(
            ["address", "bytes32", "uint256", "bytes32", "bytes32", "uint8"],
            [place, channel_id, amount, signed[:32], signed[32:64], signed[64]],
        )

    opened(b"o" * 32, wallet.address)
    opened(b"x" * 32, wallet.stranger)
    assert asked(wallet, *voucher(b"o" * 32, 10**9)) == YES
    assert asked(wallet, *voucher(b"x" * 32, 1)) == NO
    assert asked(wallet, *voucher(b"o" * 32, 1, place=wallet.token.address)) == NO
    digest, signature = voucher(b"o" * 32, 1)
    assert _refuses(wallet, keccak(digest), signature)
    assert _refuses(wallet, *voucher(b"o" * 32, 1, who=wallet.stranger))
    wallet.allow(channels, 0, 0)
    assert asked(wallet, *voucher(b"o" * 32, 1)) == NO


def _refuses(wallet, digest, signature):
    """Whoever is recovered may have no session at all: a revert is a no too."""
    try:
        return asked(wallet, digest, signature) == NO
    except Rejected:
        return True


def test_a_digest_that_is_approved_in_a_freeze_counts_after_it(paying, refused):
    digest = b"d" * 32
    paying.send(paying.account.freeze(DAY), paying.guardian)
    paying.send(paying.account.approve_digest(digest, FOREVER), paying.owner)
    with refused("roles: frozen"):
        asked(paying, digest, b"")
    paying.wait(DAY)
    assert asked(paying, digest, b"") == YES


def test_a_token_that_is_forgotten_is_not_paid_in_any_more(paying):
    paying.change(paying.account.forget_token(paying.token.address))
    assert asked(paying, *authorization(paying)[1:]) == NO


def test_no_authorization_is_valid_longer_than_its_session(world):
    coin = Coin(world.ledger)
    end = world.ledger.node.block().timestamp + 4 * HOUR
    wallet = Wallet(
        world, token=coin, slots=3, slot_period_s=HOUR, slot_cap=100, slot_token=coin.address, valid_until=end
    )
    assert asked(wallet, *authorization(wallet, before=end)[1:]) == YES
    assert asked(wallet, *authorization(wallet, before=end + 1)[1:]) == NO
