"""The embedded ledger does what anvil does, transaction by transaction.

Anvil (revm) is another implementation of the same rules. Where the two differed, the difference was looked into: what
was py-evm's mistake is put right in `rules`, what is anvil's own is a test at the end of this file.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from anvil_node import KEYS, Anvil, running_anvil
from eth._utils.address import generate_contract_address
from eth_account import Account

from tallystick.chain.embedded.rules import Computation
from tests.chain.differential.bytecode import OPCODES, initcode
from tests.chain.differential.pair import GAS_LIMIT, START, Disagreement, Opcodes, Pair, Tally
from tests.chain.differential.precompiles import precompile_data
from tests.chain.differential.programs import CHAIN_ID, POOR, Author, Step

PROGRAMS = (int(os.environ.get("TALLYSTICK_LONG", "0")) and 2_000) or 100
STEPS = 10
_FEES = {"gasPrice": None, "maxFeePerGas": 3 * 10**9, "maxPriorityFeePerGas": 0}
POOR_PEOPLE = [Account.from_key(key).address for key in POOR]

pytestmark = pytest.mark.anvil


@pytest.fixture(scope="module")
def peer() -> Iterator[Anvil]:
    with running_anvil(
        "--gas-limit", str(GAS_LIMIT), "--timestamp", str(START), "--accounts", str(len(KEYS)), "--no-mining"
    ) as node:
        yield node


@pytest.fixture
def new_pair(peer: Anvil, tmp_path: Path) -> Iterator[Callable[[], Pair]]:
    """Begin both chains anew, as often as wanted."""
    snapshot = peer.rpc("evm_snapshot")
    opened: list[Pair] = []

    def begin() -> Pair:
        nonlocal snapshot
        assert peer.rpc("evm_revert", snapshot)
        snapshot = peer.rpc("evm_snapshot")
        pair = Pair(tmp_path / f"chain-{len(opened)}.db", peer, POOR_PEOPLE)
        opened.append(pair)
        return pair

    yield begin
    for pair in opened:
        pair.close()
    assert peer.rpc("evm_revert", snapshot)


def test_random_programs_come_out_the_same_on_both(
    new_pair: Callable[[], Pair], monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    opcodes, tally = Opcodes(Computation.opcodes), Tally()
    monkeypatch.setattr(Computation, "opcodes", opcodes)  # counts what runs; changes nothing
    for seed in range(PROGRAMS):
        pair = new_pair()
        pair.run(Author(seed, KEYS, pair.nonce_of), STEPS, tally)
        pair.close()
    never = sorted(name for name, code in OPCODES.items() if not opcodes.counts[code])
    told = f"{len(OPCODES) - len(never)} of {len(OPCODES)} opcodes run, never {', '.join(never) or 'none'}"
    tell(f"differential: {PROGRAMS} programs; {told}; {dict(tally.outcomes)}; {dict(tally.steps)}")
    # the generator must stay able to reach nearly everything, and every kind of end
    assert len(never) <= len(OPCODES) // 20, never
    assert set(tally.outcomes) == {"succeeded", "failed", "reverted", "refused"}
    assert min(tally.outcomes.values()) >= PROGRAMS // 10


def _send(pair: Pair, **fields: object) -> str:
    sender = Account.from_key(KEYS[0])
    nonce = pair.nonce_of(bytes.fromhex(sender.address[2:]))
    whole = {"nonce": nonce, "to": None, "data": b"", "value": 0, "gas": 3_000_000, "gasPrice": 2 * 10**9, **fields}
    return pair.play(
        Step(sender, {name: value for name, value in whole.items() if name == "to" or value is not None}, "directed")
    )


def _authorize(key: str | bytes, target: bytes, nonce: int) -> object:
    return Account.from_key(key).sign_authorization({"chainId": CHAIN_ID, "address": target, "nonce": nonce})


def _deploy(pair: Pair, runtime: str) -> bytes:
    """Deploy `runtime` on both chains and return its address."""
    sender = bytes.fromhex(Account.from_key(KEYS[0]).address[2:])
    address = bytes(generate_contract_address(sender, pair.nonce_of(sender)))
    assert _send(pair, data=initcode(bytes.fromhex(runtime))) == "succeeded"
    return address


def test_calls_nest_as_deep_as_gas_allows(new_pair: Callable[[], Pair]) -> None:
    pair = new_pair()
    # count the depth in storage, then call oneself with all gas: PUSH0 SLOAD 1 ADD PUSH0 SSTORE, CALL(gas, self, …)
    deep = _deploy(pair, "5f546001015f555f5f5f5f5f305af1")
    assert _send(pair, to=deep, gas=29_000_000) == "succeeded"
    pair.compare_state()
    accounts = pair.node.ledger.accounts(pair.node.ledger.head())
    assert accounts.get_storage(deep, 0) > 300


def test_calls_nest_in_a_thread_as_well_as_in_the_main_one(new_pair: Callable[[], Pair]) -> None:
    pair = new_pair()
    deep = _deploy(pair, "5f546001015f555f5f5f5f5f305af1")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_send, pair, to=deep, gas=29_000_000).result() == "succeeded"


def test_an_account_with_code_may_be_the_origin_and_create(new_pair: Callable[[], Pair]) -> None:
    # py-evm took every message whose sender is the origin for the outermost one: initcode was paid for twice, and a
    # contract created and destroyed in one transaction was forgotten
    pair = new_pair()
    own = bytes.fromhex(Account.from_key(KEYS[0]).address[2:])
    # twice: CREATE a contract whose constructor returns 33ff (SELFDESTRUCT to the caller), call it
    child = initcode(bytes.fromhex("33ff")).hex()
    size = len(child) // 2
    store = f"{0x5F + size:02x}{child}5f52"
    once = f"{store}60{size:02x}60{32 - size:02x}5ff0" + "5f5f5f5f5f855af15050"
    target = _deploy(pair, once + once + "00")
    nonce = pair.nonce_of(own)
    assert _send(pair, to=own, authorizationList=[_authorize(KEYS[0], target, nonce + 1)], **_FEES) == "succeeded"
    assert _send(pair, to=own) == "succeeded"
    pair.compare_state()


def test_an_account_may_delegate_to_a_precompile_and_then_runs_nothing(new_pair: Callable[[], Pair]) -> None:
    pair = new_pair()
    other = bytes.fromhex(Account.from_key(KEYS[1]).address[2:])
    entry = _authorize(KEYS[1], (4).to_bytes(20, "big"), 0)
    assert _send(pair, to=other, data=b"echo", authorizationList=[entry], **_FEES) == "succeeded"
    caller = _deploy(pair, f"60205f60205f5f73{other.hex()}5af13d5f5260205ff3")
    assert _send(pair, to=caller) == "succeeded"


@pytest.mark.parametrize("number", range(1, 18))
def test_each_precompile_agrees_on_every_kind_of_input(new_pair: Callable[[], Pair], number: int) -> None:
    pair = new_pair()
    rng = random.Random(number)
    seen = {
        _send(pair, to=number.to_bytes(20, "big"), data=precompile_data(number, rng), gas=2_000_000)
        for _ in range(3 if number in (8, 15) else 12)
    }
    assert "succeeded" in seen


def test_the_initcode_limit_holds_on_both(new_pair: Callable[[], Pair]) -> None:
    pair = new_pair()
    assert _send(pair, data=b"\0" * 49_152, gas=5_000_000) == "succeeded"
    sender = Account.from_key(KEYS[0])
    fields = {"nonce": 1, "to": None, "data": b"\0" * 49_153, "value": 0, "gas": 5_000_000, "gasPrice": 2 * 10**9}
    assert pair.play(Step(sender, fields, "too long", refused=True)) == "refused"


def test_a_contract_longer_than_the_limit_is_not_deployed_on_either(new_pair: Callable[[], Pair]) -> None:
    pair = new_pair()
    assert _send(pair, data=bytes.fromhex("6160005ff3"), gas=8_000_000) == "succeeded"
    assert _send(pair, data=bytes.fromhex("6160015ff3"), gas=8_000_000) == "failed"


def test_a_refund_and_the_floor_on_calldata_meet(new_pair: Callable[[], Pair]) -> None:
    # EIP-3529 caps the refund by the gas used before EIP-7623 raises it to the floor; py-evm's receipts cap it after
    pair = new_pair()
    # without calldata set ten slots, with calldata clear them
    clear = "".join(f"361560{slot:02x}55" for slot in range(10))  # slot := calldata is empty
    cleaner = _deploy(pair, clear)
    assert _send(pair, to=cleaner) == "succeeded"
    for size in (10, 400, 900, 1_500, 3_000):
        assert _send(pair, to=cleaner, data=b"\xff" * size) == "succeeded"
        assert _send(pair, to=cleaner) == "succeeded"


# ---- what differs, and why


def test_anvil_refunds_for_an_authority_that_does_not_exist_and_the_ledger_does_not(
    new_pair: Callable[[], Pair],
) -> None:
    # EIP-7702: the refund is due "if authority is not empty"; geth and py-evm ask whether the account exists. Anvil's
    # in-memory database hands out empty accounts as if they did.
    pair = new_pair()
    entry = _authorize(bytes([77]) * 32, (4).to_bytes(20, "big"), 0)
    with pytest.raises(Disagreement, match="gasUsed") as found:
        _send(pair, to=bytes(19) + b"\x99", authorizationList=[entry], **_FEES)
    said = re.search(r"ledger says (\w+), anvil says (\w+)", str(found.value))
    assert said is not None
    # 46,000 before refunds, of which at most a fifth comes back
    assert (int(said[1], 16), int(said[2], 16)) == (46_000, 46_000 - 46_000 // 5)


def test_anvil_keeps_a_transaction_from_the_future_and_the_ledger_refuses_it(new_pair: Callable[[], Pair]) -> None:
    pair = new_pair()
    sender = Account.from_key(KEYS[0])
    fields = {"nonce": 3, "to": bytes(20), "data": b"", "value": 0, "gas": 21_000, "gasPrice": 2 * 10**9}
    assert pair.play(Step(sender, fields, "gap", refused=True)) == "refused"
