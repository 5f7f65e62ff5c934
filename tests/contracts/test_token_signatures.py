"""Permits and authorizations: each works once, for whom it names, while it is valid, on this chain, for this token."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account as Peer
from eth_account.messages import encode_typed_data

from tallystick.chain.bindings import token as binding
from tallystick.chain.calls import Call
from tallystick.core import eip712
from tallystick.core.authorization import CANCEL_TYPE, PERMIT_TYPE, Bringer
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.contracts.coin_kit import Coin, high_s
from tests.contracts.constructors import NAME, SUPPLY

NOBODY = "0x" + "00" * 20
BOTH = pytest.mark.parametrize("split", [True, False], ids=["v, r, s", "bytes"])
EITHER = pytest.mark.parametrize("bringer", Bringer)


@pytest.fixture
def coin(ledger):
    return Coin(ledger)


@pytest.fixture
def alice(ledger):
    return ledger.accounts[0]


@pytest.fixture
def bob(ledger):
    return ledger.accounts[1]


@pytest.fixture
def carol(ledger):
    return ledger.accounts[2]


# --- the domain


def test_the_domain_is_what_python_signs_in(coin):
    fields, name, version, chain_id, contract, salt, extensions = coin.contract.eip712_domain()
    assert eip712.Domain(name, version, chain_id, contract) == coin.domain
    assert (fields, salt, extensions, coin.contract.version()) == (b"\x0f", bytes(32), (), "1")
    assert coin.contract.domain_separator() == coin.domain.separator()


def test_the_types_are_what_python_signs(coin):
    token = coin.contract
    for told, struct_type in (
        (token.permit_typehash(), PERMIT_TYPE),
        (token.transfer_with_authorization_typehash(), Bringer.ANYBODY.value),
        (token.receive_with_authorization_typehash(), Bringer.PAYEE.value),
        (token.cancel_authorization_typehash(), CANCEL_TYPE),
    ):
        assert told == keccak(struct_type.encode())


def test_what_a_wallet_signs_is_taken(ledger, coin, alice, bob):
    made = coin.authorization(alice, bob)
    fields = [dict(zip(("type", "name"), member.split(" "), strict=True)) for member in _MEMBERS.split(",")]
    message = encode_typed_data(
        {"name": NAME, "version": "1", "chainId": ledger.chain_id, "verifyingContract": coin.contract.address},
        {"TransferWithAuthorization": fields},
        made.to_dict() | {"value": 100, "validAfter": 0, "validBefore": 2**256 - 1, "nonce": made.nonce},
    )
    signed = Peer.from_key(ledger.secrets[alice]).sign_message(message)
    coin.send(coin.bringing(made, bytes(signed.signature)), bob)
    assert coin.balances(bob) == [100]


_MEMBERS = "address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce"


# --- another chain


@pytest.fixture
def twins(tmp_path, ledger):
    """The same token at the same address on two chains, of different ids."""
    made = [type(ledger)(tmp_path / f"{chain_id}.db", chain_id) for chain_id in (1_337, 1_338)]
    yield [Coin(each) for each in made]
    for each in made:
        each.node.close()


def test_what_was_signed_for_one_chain_counts_on_no_other(twins, refused):
    here, there = twins
    alice, bob = here.ledger.accounts[:2]
    assert here.contract.address == there.contract.address
    assert here.contract.domain_separator() == here.domain.separator() != there.contract.domain_separator()
    made, permit = here.authorization(alice, bob), here.permit(alice, bob)
    signature, signed_permit = here.signature(made), permit.signature(here.ledger.secrets[alice], here.domain)
    with refused("eip3009: not signed by the payer"):
        there.send(there.bringing(made, signature), bob)
    with refused("eip3009: not signed by the payer"):
        there.send(there.cancelling(alice, made.nonce, here.cancellation(alice, made.nonce)), bob)
    with refused("eip2612: not signed by the owner"):
        there.send(there.permitting(permit, signed_permit), bob)
    here.send(here.bringing(made, signature), bob)
    here.send(here.permitting(permit, signed_permit), bob)
    assert here.balances(bob) == [100]


def test_what_was_signed_for_one_token_counts_for_no_other(ledger, coin, alice, bob, refused):
    other = Coin(ledger)
    made = coin.authorization(alice, bob)
    with refused("eip3009: not signed by the payer"):
        coin.send(coin.bringing(made, other.signature(made)), bob)


# --- permits


@BOTH
def test_a_permit_sets_the_allowance_once(coin, alice, bob, carol, events, refused, split):
    made = coin.permit(alice, bob, 70)
    call = coin.permitting(made, split=split)
    assert events(coin.send(call, carol), binding.EVENTS) == [binding.Approval(alice, bob, 70)]
    assert (coin.contract.allowance(alice, bob), coin.contract.nonces(alice)) == (70, 1)
    with refused("eip2612: not signed by the owner"):
        coin.send(call, carol)
    coin.send(coin.permitting(coin.permit(alice, bob, 0), split=split), carol)
    assert (coin.contract.allowance(alice, bob), coin.contract.nonces(alice)) == (0, 2)


def test_permits_come_in_the_order_of_their_nonces(coin, alice, bob, refused):
    later = coin.permit(alice, bob, 5, nonce=1)
    with refused("eip2612: not signed by the owner"):
        coin.send(coin.permitting(later), bob)
    coin.send(coin.permitting(coin.permit(alice, bob, 9)), bob)
    coin.send(coin.permitting(later), bob)
    assert coin.contract.allowance(alice, bob) == 5


def test_a_permit_counts_until_and_including_its_deadline(coin, alice, bob, refused):
    deadline = coin.now + 10
    made = coin.permit(alice, bob, deadline=deadline)
    coin.wait(11)
    with refused("eip2612: expired"):
        coin.send(coin.permitting(made), bob)
    made = coin.permit(alice, bob, deadline=coin.now)
    coin.send(coin.permitting(made), bob)
    assert coin.contract.allowance(alice, bob) == 100


def test_a_permit_with_anything_changed_is_refused(ledger, coin, alice, bob, carol, refused):
    made = coin.permit(alice, bob)
    signature = made.signature(ledger.secrets[alice], coin.domain)
    for change in ({"owner": bob}, {"spender": carol}, {"amount": 101}, {"deadline": 2**255}, {"owner": NOBODY}):
        with refused("eip2612: not signed by the owner"):
            coin.send(coin.permitting(replace(made, **change), signature), bob)
    for wrong in (high_s(signature), made.signature(ledger.secrets[bob], coin.domain), bytes(65)):
        with refused("eip2612: not signed by the owner"):
            coin.send(coin.permitting(made, wrong), bob)
    with refused("erc20: zero address"):
        coin.send(coin.permitting(coin.permit(alice, NOBODY)), bob)


# --- authorizations


@BOTH
@EITHER
def test_an_authorization_moves_once(coin, alice, bob, events, refused, bringer, split):
    made = coin.authorization(alice, bob, 40)
    call = coin.bringing(made, coin.signature(made, bringer=bringer), bringer, split=split)
    assert not coin.contract.authorization_state(alice, made.nonce)
    assert events(coin.send(call, bob), binding.EVENTS) == [
        binding.AuthorizationUsed(alice, made.nonce),
        binding.Transfer(alice, bob, 40),
    ]
    assert coin.contract.authorization_state(alice, made.nonce)
    assert not coin.contract.authorization_state(bob, made.nonce)
    assert coin.balances(alice, bob) == [SUPPLY - 40, 40]
    with refused("eip3009: nonce is spent"):
        coin.send(call, bob)


@BOTH
def test_the_other_form_does_not_make_a_nonce_new(coin, alice, bob, refused, split):
    made = coin.authorization(alice, bob)
    coin.send(coin.bringing(made, coin.signature(made), split=split), bob)
    for bringer in Bringer:
        call = coin.bringing(made, coin.signature(made, bringer=bringer), bringer, split=not split)
        with refused("eip3009: nonce is spent"):
            coin.send(call, bob)


def test_nonces_are_in_no_order(coin, alice, bob):
    made = [coin.authorization(alice, bob, 1, nonce=bytes([n]) * 32) for n in (9, 1, 255, 0)]
    for each in made:
        coin.send(coin.bringing(each, coin.signature(each)), bob)
    assert coin.balances(bob) == [4]


@BOTH
def test_both_ends_of_its_time_are_exclusive(coin, alice, bob, refused, split):
    start = coin.now
    made = coin.authorization(alice, bob, after=start + 10, before=start + 20)
    call = coin.bringing(made, coin.signature(made), split=split)
    for seconds, reason in ((10, "eip3009: not yet valid"), (10, "eip3009: expired")):
        coin.wait(seconds)
        with refused(reason):
            coin.send(call, bob)
    for seconds in (1, 9):  # the first second that is valid, and the last
        start = coin.now
        made = coin.authorization(alice, bob, nonce=bytes([seconds]) * 32, after=start, before=start + 10)
        coin.wait(seconds)
        coin.send(coin.bringing(made, coin.signature(made), split=split), bob)
    assert coin.balances(bob) == [200]


@BOTH
def test_only_the_payee_brings_what_was_signed_for_it_to_bring(coin, alice, bob, carol, refused, split):
    made = coin.authorization(alice, bob)
    signature = coin.signature(made, bringer=Bringer.PAYEE)
    with refused("eip3009: caller is not the payee"):
        coin.send(coin.bringing(made, signature, Bringer.PAYEE, split=split), carol)
    # Nor does it help to call it the other kind, or to say that one is the payee.
    with refused("eip3009: not signed by the payer"):
        coin.send(coin.bringing(made, signature, split=split), carol)
    with refused("eip3009: not signed by the payer"):
        coin.send(coin.bringing(replace(made, payee=carol), signature, Bringer.PAYEE, split=split), carol)
    coin.send(coin.bringing(made, signature, Bringer.PAYEE, split=split), bob)


def test_an_authorization_for_anybody_is_none_for_the_payee_alone(coin, alice, bob, refused):
    made = coin.authorization(alice, bob)
    with refused("eip3009: not signed by the payer"):
        coin.send(coin.bringing(made, coin.signature(made), Bringer.PAYEE), bob)


@BOTH
def test_an_authorization_with_anything_changed_is_refused(coin, alice, bob, carol, refused, split):
    made = coin.authorization(alice, bob, after=1)
    signature = coin.signature(made)
    for change in (
        {"payer": bob}, {"payer": NOBODY}, {"payee": carol}, {"amount": 101}, {"valid_after": 0},
        {"valid_before": 2**255}, {"nonce": bytes(32)},
    ):  # fmt: skip
        with refused("eip3009: not signed by the payer"):
            coin.send(coin.bringing(replace(made, **change), signature, split=split), bob)
    for wrong in (
        high_s(signature),
        coin.signature(made, bob),
        signature[:64] + bytes([signature[64] - 27]),
        bytes(65),
    ):
        with refused("eip3009: not signed by the payer"):
            coin.send(coin.bringing(made, wrong, split=split), bob)


def test_an_authorization_pays_no_more_than_there_is_and_nowhere_forbidden(coin, alice, bob, refused):
    for made, reason in (
        (coin.authorization(bob, alice, 1), "erc20: balance too low"),
        (coin.authorization(alice, NOBODY), "erc20: zero address"),
        (coin.authorization(alice, coin.contract.address), "erc20: not to the token itself"),
    ):
        with refused(reason):
            coin.send(coin.bringing(made, coin.signature(made)), bob)
        assert not coin.contract.authorization_state(made.payer, made.nonce)


@BOTH
def test_a_nonce_that_was_taken_back_is_spent(coin, alice, bob, events, refused, split):
    made = coin.authorization(alice, bob)
    call = coin.cancelling(alice, made.nonce, split=split)
    assert events(coin.send(call, bob), binding.EVENTS) == [binding.AuthorizationCanceled(alice, made.nonce)]
    assert coin.contract.authorization_state(alice, made.nonce)
    with refused("eip3009: nonce is spent"):
        coin.send(coin.bringing(made, coin.signature(made)), bob)
    with refused("eip3009: nonce is spent"):
        coin.send(call, bob)


@BOTH
def test_nobody_else_takes_a_nonce_back(coin, alice, bob, refused, split):
    made = coin.authorization(alice, bob)
    for wrong in (
        coin.cancellation(bob, made.nonce),
        coin.signature(made),
        high_s(coin.cancellation(alice, made.nonce)),
    ):
        with refused("eip3009: not signed by the payer"):
            coin.send(coin.cancelling(alice, made.nonce, wrong, split=split), bob)
    coin.send(coin.bringing(made, coin.signature(made)), bob)


@BOTH
@pytest.mark.parametrize("signature", [bytes(65), bytes(64) + b"\x1b", b"\xff" * 64 + b"\x1b"])
def test_a_signature_of_nobody_is_not_the_zero_address(coin, bob, refused, signature, split):
    made = coin.authorization(NOBODY, bob, 0)
    for call in (
        coin.bringing(made, signature, split=split),
        coin.bringing(made, signature, Bringer.PAYEE, split=split),
        coin.cancelling(NOBODY, made.nonce, signature, split=split),
    ):
        with refused("eip3009: not signed by the payer"):
            coin.send(call, bob)
    with refused("eip2612: not signed by the owner"):
        coin.send(coin.permitting(coin.permit(NOBODY, bob), signature, split=split), bob)


# --- the second forms, byte by byte


def test_call_data_that_no_encoder_writes_is_refused(coin, alice, bob, refused):
    made = coin.authorization(alice, bob)
    good = coin.bringing(made, coin.signature(made), split=False).data
    permit = coin.permitting(coin.permit(alice, bob), split=False).data
    cancel = coin.cancelling(alice, made.nonce, split=False).data
    for data, words in ((good, 6), (permit, 4), (cancel, 2)):
        place = 4 + 32 * words

        def with_word(at, value, data=data):
            return data[:at] + value.to_bytes(32, "big") + data[at + 32 :]

        for bad in (
            with_word(place, 32 * words),  # the offset points at itself
            with_word(place, 32 * words + 64),
            with_word(place, 2**256 - 32),
            with_word(place + 32, 1_025),
            with_word(place + 32, 2**256 - 1),
            with_word(place + 32, 97),  # more than there is
            data[: place + 32] + (1_025).to_bytes(32, "big") + bytes(1_056),
            data[:-1],
            data[: place + 32],
            data[:place],
            data[:4],
        ):
            with refused("overloads: malformed call"):
                coin.send(Call(coin.contract.address, bad), bob)
        with pytest.raises(Rejected):  # an address with bits above
            coin.send(Call(coin.contract.address, with_word(4, 2**160 + int(alice, 16))), bob)
    coin.send(Call(coin.contract.address, good), bob)
    assert coin.balances(bob) == [100]


@BOTH
def test_no_byte_of_a_signed_call_can_be_changed(coin, alice, bob, split):
    made = coin.authorization(alice, bob, after=1)
    good = coin.bringing(made, coin.signature(made), split=split).data
    for at in range(0, 4 + 9 * 32 if split else 4 + 8 * 32 + 65, 3):  # what follows is padding
        bad = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        with pytest.raises(Rejected):
            coin.ledger.call(coin.contract.address, bad, sender=bob)
    assert coin.ledger.call(coin.contract.address, good, sender=bob) == b""
