"""What acts of a policy account cost, for gas.json; on a ledger of its own, as calldata costs by its zeros."""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.contracts.entry_point import PLACE, EntryPoint, operation_of
from tests.contracts.policy_kit import (
    ACCOUNT,
    COUNTERPARTY,
    DAY,
    HOUR,
    NATIVE,
    NOBODY,
    SESSION,
    Wallet,
    World,
    transfer_data,
)
from tests.contracts.test_policy_signed import Coin, authorization, delegation

IN_USE = "PolicyAccount in use"


def policy_costs(ledger):
    """Return step to gas; nothing where the EntryPoint is not installed, as all addresses come after its own."""
    if not PLACE.is_file():
        return {}
    entry = EntryPoint(ledger)
    world = World(ledger, entry.address)
    coin = Coin(ledger)
    made = {}
    create = world.factory.create(ledger.accounts[0], b"gas".rjust(32), [ledger.accounts[1]], HOUR)
    made["make an account with one guardian"] = ledger.send(create, ledger.accounts[0]).gas_used
    wallet = Wallet(
        world, is_sealed=False, token=coin, slots=100, slot_period_s=HOUR, slot_cap=100, slot_token=coin.address
    )
    wallet.fund(10**12)
    wallet.native_buckets(10**11)
    made["seal it"] = wallet.send(wallet.account.seal(), wallet.owner).gas_used
    wallet.pay(1)  # the payee holds some, the counters have begun

    made["session transfer of a token"] = wallet.pay(10).gas_used
    wallet.wait(600)
    made["session transfer of a token, buckets to be filled"] = wallet.pay(10).gas_used
    made["the same transfer by a plain account"] = ledger.send(coin.transfer(wallet.payee, 5), wallet.owner).gas_used
    made["count a bucket (accrue)"] = wallet.send(
        wallet.account.accrue(ACCOUNT, NOBODY, coin.address), wallet.stranger
    ).gas_used
    made["a refused transfer, counted"] = wallet.pay(501).gas_used
    action = wallet.action(coin.address, transfer_data(wallet.payee, 10))
    made["a signed transfer, relayed"] = wallet.send(wallet.signed(action), wallet.stranger).gas_used
    made["a delegation redeemed (ERC-7710)"] = wallet.send(delegation(wallet, 10, 10)[0], wallet.stranger).gas_used
    call, digest, signature = authorization(wallet, 10)
    made["an EIP-3009 payment through ERC-1271"] = wallet.send(call, wallet.stranger).gas_used
    made["the ERC-1271 check as a transaction"] = wallet.send(
        Call(wallet.address, _is_valid(digest, signature)), wallet.stranger
    ).gas_used
    made |= _queue(wallet) | _operations(wallet, entry)
    without = wallet.pay(10).gas_used
    wallet.bucket(COUNTERPARTY, wallet.payee, coin.address, cap=100)
    wallet.pay(1)
    made["session transfer of a token, a bucket of the payee"] = wallet.pay(10).gas_used
    made["debit of one more bucket, execution"] = made["session transfer of a token, a bucket of the payee"] - without
    made["schedule a raise"] = wallet.send(
        world.changes.schedule(wallet.address, wallet.address, wallet.account.set_level(wallet.session, 3).data),
        wallet.owner,
    ).gas_used
    made["freeze"] = wallet.send(wallet.account.freeze(DAY), wallet.guardian).gas_used
    made["sweep a token, frozen"] = wallet.send(wallet.account.sweep(coin.address, wallet.owner), wallet.owner).gas_used
    return {f"{IN_USE}: {step}": gas for step, gas in made.items()}


def _is_valid(digest, signature):
    return keccak(b"isValidSignature(bytes32,bytes)")[:4] + encode(["bytes32", "bytes"], [digest, signature])


def _queue(wallet):
    mined = wallet.send(wallet.proposing(5_000), wallet.session)
    item, id_ = wallet.proposed(mined)
    first, second = (wallet.send(wallet.world.queue.approve(id_), who).gas_used for who in wallet.approvers)
    wallet.wait(2 * HOUR)
    return {
        "propose an item": mined.gas_used,
        "approve an item, the first": first,
        "approve an item, the second": second,
        "run an approved item": wallet.run(item).gas_used,
    }


def _operations(wallet, entry):
    for scope, holder in ((ACCOUNT, NOBODY), (SESSION, wallet.session)):
        wallet.send(wallet.account.accrue(scope, holder, NATIVE), wallet.stranger)

    def bundled(*lanes):
        data = transfer_data(wallet.payee, 10)
        bundle = [operation_of(wallet, entry, wallet.token.address, data, lane=lane) for lane in lanes]
        return wallet.send(entry.handle(bundle, wallet.stranger), wallet.stranger).gas_used

    bundled(1, 2)  # the lanes, the deposit and the beneficiary have been used before
    return {"one user operation": bundled(1), "two user operations in two lanes": bundled(1, 2)}
