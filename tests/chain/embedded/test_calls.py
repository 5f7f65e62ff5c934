"""Trying without sending: calls, estimates, access lists, proofs, and reads of the past."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from eth._utils.address import generate_contract_address
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from tallystick.core.digest import keccak
from tests.chain.embedded.ledger_kit import FUNDS, Hand, Rpc


def deploy(rpc: Rpc, hand: Hand, runtime: str) -> str:
    """Deploy code and return its address."""
    size = f"{len(runtime) // 2:04x}"
    address = generate_contract_address(hand.raw_address, hand.nonce)
    raw = hand.sign(to=None, value=0, data=bytes.fromhex(f"61{size}600c5f3961{size}5ff3{runtime}"), gas=2_000_000)
    assert rpc.send(raw)["status"] == "0x1"
    return "0x" + address.hex()


# CALLDATALOAD(0) SLOT(0) := it, or return SLOT(0) when there is no calldata
STORE = "36600c575f545f5260205ff35b5f355f5500"


@pytest.fixture
def store(rpc: Rpc, hands: list[Hand]) -> str:
    return deploy(rpc, hands[0], STORE)


def word(value: int) -> str:
    return "0x" + value.to_bytes(32, "big").hex()


def test_the_past_stays_readable_by_number_hash_tag_and_object(rpc: Rpc, hands: list[Hand], store: str) -> None:
    for value in (11, 22, 33):
        rpc.send(hands[0].sign(to=store, value=0, data=value.to_bytes(32, "big")))
    blocks = [rpc("eth_getBlockByNumber", hex(n), False) for n in range(5)]
    expected = [0, 0, 11, 22, 33]
    for block, value in zip(blocks, expected, strict=True):
        for name in (block["number"], block["hash"], {"blockNumber": block["number"]}, {"blockHash": block["hash"]},
                     {"blockHash": block["hash"], "requireCanonical": True}):  # fmt: skip
            assert rpc("eth_getStorageAt", store, "0x0", name) == word(value)
            if value:
                assert rpc("eth_call", {"to": store}, name) == word(value)
            nonce = int(rpc("eth_getTransactionCount", hands[0].address, name), 16)
            assert nonce == int(block["number"], 16)
    for tag in ("latest", "pending", "safe", "finalized"):
        assert rpc("eth_getStorageAt", store, word(0), tag) == word(33)
    assert rpc("eth_getCode", store, "earliest") == "0x"
    assert rpc("eth_getBalance", hands[0].address, "earliest") == hex(FUNDS)


@pytest.mark.parametrize("name", ["0x63", {"blockNumber": "0x63"}, "0x" + "77" * 32, {"blockHash": "0x" + "77" * 32}])
def test_a_block_that_does_not_exist_is_an_error_for_state_and_null_for_blocks(rpc: Rpc, name: Any) -> None:
    assert rpc.error("eth_getBalance", "0x" + "11" * 20, name) == {"code": -32000, "message": "header not found"}
    assert rpc.error("eth_call", {}, name)["message"] == "header not found"
    if isinstance(name, str) and len(name) < 60:
        assert rpc("eth_getBlockByNumber", name, False) is None
        assert rpc("eth_getBlockReceipts", name) is None


def test_a_call_changes_nothing(rpc: Rpc, hands: list[Hand], store: str) -> None:
    before = rpc("eth_getBlockByNumber", "latest", False)
    assert rpc("eth_call", {"from": hands[0].address, "to": store, "data": word(5)}) == "0x"
    assert rpc("eth_estimateGas", {"from": hands[0].address, "to": store, "data": word(5)})
    assert rpc("eth_getStorageAt", store, "0x0") == word(0)
    assert rpc("eth_getBlockByNumber", "latest", False) == before


def error_string(text: str) -> str:
    data = text.encode()
    padded = data.ljust((len(data) + 31) // 32 * 32, b"\0")
    return "08c379a0" + (32).to_bytes(32, "big").hex() + len(data).to_bytes(32, "big").hex() + padded.hex()


REVERTS = [
    (error_string("registry: already registered"), "execution reverted: registry: already registered"),
    (error_string(""), "execution reverted: "),
    ("4e487b71" + word(0x11)[2:], "execution reverted: arithmetic underflow or overflow"),
    ("4e487b71" + word(0x99)[2:], "execution reverted: unknown panic code: 0x99"),
    ("", "execution reverted"),
    ("deadbeef", "execution reverted"),
    ("08c379a0", "execution reverted"),
    ("08c379a0" + word(2**255)[2:], "execution reverted"),
    ("08c379a0" + word(32)[2:] + word(3)[2:] + "fffefd".ljust(64, "0"), "execution reverted"),
]


@pytest.mark.parametrize(("data", "message"), REVERTS)
@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_revert_is_error_3_with_its_reason_and_its_bytes(rpc: Rpc, method: str, data: str, message: str) -> None:
    size = len(data) // 2
    code = f"61{size:04x}600d5f3961{size:04x}5ffd00" + data
    error = rpc.error(method, {"data": "0x" + code})
    assert error == {"code": 3, "message": message, "data": "0x" + data}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("fe", "invalid opcode"),
        ("0c", "invalid opcode"),
        ("50", "stack underflow"),
        ("5b5f5f56", "stack limit reached 1024"),
        ("600056", "invalid jump destination"),
        ("60ef5f5360015ff3", "invalid code: must not begin with 0xef"),
        ("5b600056", "out of gas"),
        ("60206001600060003e", "return data out of bounds"),
    ],
)
def test_a_failure_that_is_no_revert_is_named(rpc: Rpc, code: str, message: str) -> None:
    assert rpc.error("eth_call", {"data": "0x" + code, "gas": "0x186a0"}) == {"code": -32000, "message": message}


@pytest.mark.parametrize("gas", ["0xffffffff", "0x7fffffffffffffff", None])
def test_a_call_takes_no_more_gas_than_any_call_may(rpc: Rpc, monkeypatch: pytest.MonkeyPatch, gas: str | None) -> None:
    monkeypatch.setattr("tallystick.chain.embedded.simulate.LEDGER_CALL_GAS_MAX", 200_000)
    endless = {"data": "0x5b600056", "gas": gas}
    assert rpc.error("eth_call", endless)["message"] == "out of gas"
    assert rpc.error("eth_estimateGas", endless)["message"] == "gas required exceeds allowance (200000)"
    left = int(rpc("eth_call", {"data": "0x5a5f5260205ff3", "gas": gas}), 16)
    assert 100_000 < left < 200_000


# a loop; calls to oneself; a precompile, from straight code that the loop repeats
@pytest.mark.parametrize("code", ["5b600056", "5b60015f57", "5f5f5f5f5f305af1", "5b5f5f60c05f5f60085af150600056"])
def test_a_call_takes_no_longer_than_any_call_may_and_a_transaction_as_long_as_its_gas_lasts(
    rpc: Rpc, hands: list[Hand], monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    contract = deploy(rpc, hands[0], code)
    monkeypatch.setattr("tallystick.chain.embedded.simulate.LEDGER_CALL_S", -1.0)
    for method in ("eth_call", "eth_estimateGas", "eth_createAccessList"):
        error = rpc.error(method, {"to": contract})
        assert error == {"code": -32000, "message": "execution aborted (timeout = 20s)"}
    assert int(rpc.send(hands[0].sign(to=contract, value=0, gas=200_000))["gasUsed"], 16) > 40_000


def test_a_call_that_pays_must_be_able_to_and_one_that_does_not_need_not(rpc: Rpc, hands: list[Hand]) -> None:
    poor = "0x" + "99" * 20
    assert rpc("eth_call", {"from": poor, "to": poor}) == "0x"
    assert "insufficient funds" in rpc.error("eth_call", {"from": poor, "to": poor, "value": "0x1"})["message"]
    paying = {"from": poor, "to": poor, "gas": "0x5208", "gasPrice": hex(10**10)}
    assert "insufficient funds" in rpc.error("eth_call", paying)["message"]
    assert rpc("eth_call", {**paying, "from": hands[0].address}) == "0x"
    low = {**paying, "from": hands[0].address, "gasPrice": "0x1"}
    assert rpc.error("eth_call", low)["message"].startswith("max fee per gas less than block base fee")


def test_what_a_contract_sees_of_its_block_is_the_block_it_is_called_in(rpc: Rpc, hands: list[Hand]) -> None:
    rpc.send(hands[0].sign())
    number_and_time = "0x435f524260205260405ff3"
    for tag in ("latest", "pending", "0x0"):
        block = rpc("eth_getBlockByNumber", tag, False)
        answer = rpc("eth_call", {"data": number_and_time}, tag)
        assert [int(answer[2:66], 16), int(answer[66:], 16)] == [int(block[k], 16) for k in ("number", "timestamp")]


# ---- estimates


def transact(rpc: Rpc, hand: Hand, gas: int, **fields: Any) -> str:
    return str(rpc.send(hand.sign(gas=gas, **fields))["status"])


def check_estimate(rpc: Rpc, hand: Hand, to: str | None, data: bytes = b"", value: int = 0) -> int:
    """Return the estimate, having sent with exactly that and with one less."""
    shown = {"from": hand.address, "data": "0x" + data.hex(), "value": hex(value)} | ({"to": to} if to else {})
    estimate = int(rpc("eth_estimateGas", shown), 16)
    if estimate > 21_000:
        raw = hand.sign(nonce=hand.nonce, to=to, data=data, value=value, gas=estimate - 1)
        answer: Any = rpc.provider.make_request("eth_sendRawTransaction", ["0x" + raw.hex()])  # type: ignore[arg-type]
        if "result" in answer:
            hand.nonce += 1
            assert rpc("eth_getTransactionReceipt", answer["result"])["status"] == "0x0"
        else:
            assert "intrinsic gas too low" in answer["error"]["message"]
    assert transact(rpc, hand, estimate, to=to, data=data, value=value) == "0x1"
    return estimate


def test_an_estimate_is_the_least_gas_that_works(rpc: Rpc, hands: list[Hand], store: str) -> None:
    hand = hands[1]
    assert check_estimate(rpc, hand, hands[2].address, value=1) == 21_000
    check_estimate(rpc, hand, store, data=(5).to_bytes(32, "big"))
    check_estimate(rpc, hand, store, data=(6).to_bytes(32, "big"))
    check_estimate(rpc, hand, hands[2].address, data=b"\xff" * 500)  # the floor of EIP-7623
    check_estimate(rpc, hand, None, data=bytes.fromhex("6005600c60003960056000f3" + "5f5f5f5f5f"))


def test_an_estimate_pays_for_storage_that_is_cleared_and_refunded_later(
    rpc: Rpc, hands: list[Hand], store: str
) -> None:
    rpc.send(hands[0].sign(to=store, value=0, data=b"\1" * 32))
    shown = {"from": hands[1].address, "to": store, "data": word(0)}
    estimate = int(rpc("eth_estimateGas", shown), 16)
    receipt = rpc.send(hands[1].sign(to=store, value=0, data=bytes(32), gas=estimate))
    assert receipt["status"] == "0x1"
    assert int(receipt["gasUsed"], 16) < estimate


def test_an_estimate_allows_for_the_64th_that_every_call_keeps_back(rpc: Rpc, hands: list[Hand], store: str) -> None:
    # each calls the next with all gas and reverts when that fails, so the caller needs more than it uses
    hand = hands[1]
    nested = store
    for _ in range(6):
        # CALLDATACOPY(0,0,size); CALL(gas, nested, 0, 0, size, 0, 0); JUMPI(ok); REVERT(0,0); ok: STOP
        body = f"365f5f375f5f365f5f73{nested[2:]}5af1"
        target = len(body) // 2 + 6
        nested = deploy(rpc, hands[0], f"{body}60{target:02x}575f5ffd5b00")
    estimate = check_estimate(rpc, hand, nested, data=(7).to_bytes(32, "big"))
    assert rpc("eth_getStorageAt", store, "0x0") == word(7)
    assert estimate > 21_000


def test_an_estimate_of_what_never_works_says_so(rpc: Rpc, hands: list[Hand]) -> None:
    endless = rpc.error("eth_estimateGas", {"data": "0x5b600056", "gas": hex(1_000_000)})
    assert endless == {"code": -32000, "message": "gas required exceeds allowance (1000000)"}
    poor = {"from": "0x" + "99" * 20, "to": "0x" + "11" * 20, "value": "0x1"}
    assert "insufficient funds" in rpc.error("eth_estimateGas", poor)["message"]
    fee = {"from": hands[0].address, "to": "0x" + "11" * 20, "gasPrice": hex(FUNDS // 20_000)}
    assert rpc.error("eth_estimateGas", fee)["message"].startswith("gas required exceeds allowance")


@given(payload=st.binary(max_size=40))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_estimates_are_exact_for_any_calldata(rpc: Rpc, hands: list[Hand], store: str, payload: bytes) -> None:
    check_estimate(rpc, hands[2], store, data=payload)


def test_an_access_list_names_what_is_touched_and_makes_it_no_dearer_to_find(
    rpc: Rpc, hands: list[Hand], store: str
) -> None:
    outer = deploy(rpc, hands[0], f"365f5f375f5f365f5f73{store[2:]}5af100")
    shown = {"from": hands[1].address, "to": outer, "data": word(9)}
    made = rpc("eth_createAccessList", shown)
    assert made["accessList"] == [{"address": store, "storageKeys": [word(0)]}]
    receipt = rpc.send(hands[1].sign(to=outer, value=0, data=(9).to_bytes(32, "big"), accessList=made["accessList"]))
    assert receipt["status"] == "0x1"
    assert rpc("eth_getStorageAt", store, "0x0") == word(9)
    assert "error" in rpc("eth_createAccessList", {"data": "0xfe"})


# ---- proofs


def prove(root: str, key: bytes, nodes: list[str]) -> bytes:
    decoded = [rlp.decode(bytes.fromhex(node[2:])) for node in nodes]
    return bytes(HexaryTrie.get_from_proof(bytes.fromhex(root[2:]), keccak(key), decoded))


@pytest.mark.parametrize("tag", ["latest", "0x2"])
def test_a_proof_binds_account_and_storage_to_the_state_root(rpc: Rpc, hands: list[Hand], store: str, tag: str) -> None:
    for value in (11, 22):
        rpc.send(hands[0].sign(to=store, value=0, data=value.to_bytes(32, "big")))
    answer = rpc("eth_getProof", store, ["0x0", word(1)], tag)
    root = rpc("eth_getBlockByNumber", tag, False)["stateRoot"]
    account = prove(root, bytes.fromhex(store[2:]), answer["accountProof"])
    nonce, balance, storage_root, code_hash = rlp.decode(account)
    assert [hex(int.from_bytes(nonce)), hex(int.from_bytes(balance))] == [answer["nonce"], answer["balance"]]
    assert ["0x" + storage_root.hex(), "0x" + code_hash.hex()] == [answer["storageHash"], answer["codeHash"]]
    first, second = answer["storageProof"]
    proved = prove(answer["storageHash"], bytes(32), first["proof"])
    expected = 22 if tag == "latest" else 11
    assert int.from_bytes(rlp.decode(proved)) == int(first["value"], 16) == expected
    assert prove(answer["storageHash"], (1).to_bytes(32, "big"), second["proof"]) == b""
    assert second["value"] == "0x0"


def test_absence_of_an_account_can_be_proved(rpc: Rpc) -> None:
    stranger = "0x" + "ab" * 20
    answer = rpc("eth_getProof", stranger, ["0x5"], "latest")
    root = rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]
    assert prove(root, bytes.fromhex(stranger[2:]), answer["accountProof"]) == b""
    assert (answer["balance"], answer["nonce"], answer["storageProof"][0]["proof"]) == ("0x0", "0x0", [])
