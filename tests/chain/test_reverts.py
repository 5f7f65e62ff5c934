"""What nodes say when they say no, in their own words, sorted by who must act."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.chain.reverts import ERROR_SELECTOR, error_of_answer, printable, rejection_of_revert
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable


def revert_data(reason: bytes) -> bytes:
    return (
        ERROR_SELECTOR
        + (32).to_bytes(32, "big")
        + len(reason).to_bytes(32, "big")
        + reason.ljust(-(-len(reason) // 32) * 32, b"\0")
    )


REASON = "registry: unknown parent"
DATA = "0x" + revert_data(REASON.encode()).hex()


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": f"execution reverted: {REASON}", "data": DATA},  # geth, anvil, reth, Erigon
        {"code": -32000, "message": "Execution reverted", "data": DATA},  # Besu
        {"code": -32015, "message": "VM execution error.", "data": f"Reverted {DATA}"},  # Nethermind, OpenEthereum
        {"code": -32603, "message": "Error: VM Exception while processing", "data": {"data": DATA}},  # Hardhat
        {"code": -32000, "message": f"execution reverted: {REASON}"},  # proxies that lose the data
        {"code": -32603, "message": f"VM Exception: reverted with reason string '{REASON}'"},
    ],
)
@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_revert_is_known_by_its_reason_whatever_the_node(method: str, error: dict[str, Any]) -> None:
    refused = error_of_answer(method, error)
    assert isinstance(refused, Rejected)
    assert refused.code == REASON


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nonce too low: next nonce 5, tx nonce 4", "chain.nonce_too_low"),
        ("nonce too low", "chain.nonce_too_low"),
        ("OldNonce, Current nonce: 5, nonce of rejected tx: 4", "chain.nonce_too_low"),
        ("nonce too high", "chain.nonce_too_high"),
        ("already known", "chain.already_known"),
        ("AlreadyKnown", "chain.already_known"),
        ("Known transaction", "chain.already_known"),
        ("transaction already imported", "chain.already_known"),
        ("replacement transaction underpriced", "chain.replacement_underpriced"),
        ("transaction underpriced: gas tip cap 0, minimum needed 1", "chain.underpriced"),
        ("max fee per gas less than block base fee: address 0x0, maxFeePerGas: 1, baseFee: 7", "chain.underpriced"),
        ("insufficient funds for gas * price + value: balance 0, tx cost 1", "chain.insufficient_funds"),
        ("Insufficient funds for gas * price + value", "chain.insufficient_funds"),
        ("exceeds block gas limit", "chain.gas_too_high"),
        ("intrinsic gas too low: gas 1, minimum needed 21000", "chain.gas_too_low"),
        ("invalid chain id for signer: have 1 want 5", "chain.wrong_chain"),
        ("only replay-protected (EIP-155) transactions allowed over RPC", "chain.wrong_chain"),
    ],
)
def test_what_a_pool_objects_to_has_one_name(message: str, code: str) -> None:
    refused = error_of_answer("eth_sendRawTransaction", {"code": -32000, "message": message})
    assert (type(refused), refused.code) == (Rejected, code)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        ({"code": -32000, "message": "header not found"}, Unavailable, "rpc.block_unknown"),
        ({"code": -32000, "message": "missing trie node 00aa (path )"}, Unavailable, "rpc.block_unknown"),
        ({"code": -32602, "message": "BlockOutOfRangeError: block height is 1"}, Unavailable, "rpc.block_unknown"),
        ({"code": -32005, "message": "limit exceeded"}, Unavailable, "rpc.rate_limited"),
        ({"code": 429, "message": "Too Many Requests"}, Unavailable, "rpc.rate_limited"),
        ({"code": -32603, "message": "something broke"}, Unavailable, "rpc.failed"),
        ({"code": -32601, "message": "the method eth_x is not available"}, InvalidInput, "rpc.method_unknown"),
        ({"code": -32601, "message": "Method not found"}, InvalidInput, "rpc.method_unknown"),
        ({"code": -32000, "message": "Unsupported method: eth_x"}, InvalidInput, "rpc.method_unknown"),
        ({"code": -32602, "message": "invalid argument 0"}, InvalidInput, "rpc.refused"),
        ({"code": -32000, "message": "no"}, Rejected, "rpc.refused"),
    ],
)
def test_other_refusals_say_who_must_act(error: dict[str, Any], kind: type[TallystickError], code: str) -> None:
    refused = error_of_answer("eth_getBalance", error)
    assert (type(refused), refused.code) == (kind, code)


@pytest.mark.parametrize("message", ["invalid opcode: INVALID", "EVM error InvalidFEOpcode", "out of gas"])
def test_an_execution_that_fails_without_reverting_is_a_rejection(message: str) -> None:
    assert error_of_answer("eth_call", {"code": -32000, "message": message}).code == "chain.vm_error"


def test_a_panic_is_named() -> None:
    overflow = rejection_of_revert(bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"))
    assert (overflow.code, "overflow" in overflow.message) == ("chain.panic", True)


def test_revert_data_that_is_no_reason_is_shown_as_it_is() -> None:
    custom = rejection_of_revert(bytes.fromhex("deadbeef"))
    assert (custom.code, custom.got) == ("chain.reverted", "0xdeadbeef")
    assert rejection_of_revert(b"").code == "chain.reverted"


@given(st.text(min_size=1, max_size=200))
def test_a_reason_survives_its_encoding_made_printable(reason: str) -> None:
    assert rejection_of_revert(revert_data(reason.encode("utf-8", "replace"))).code == printable(
        reason.encode("utf-8", "replace").decode()
    )


@given(st.binary(max_size=300))
def test_any_revert_data_becomes_a_rejection(data: bytes) -> None:
    for raw in (data, ERROR_SELECTOR + data, bytes.fromhex("4e487b71") + data):
        assert rejection_of_revert(raw).code.isprintable()


@given(st.text())
def test_no_message_of_a_node_reaches_a_terminal_unwashed(text: str) -> None:
    for method in ("eth_call", "eth_sendRawTransaction", "eth_getLogs"):
        error = error_of_answer(method, {"code": 1, "message": text})
        assert str(error).isprintable()
        assert error.code.isprintable()
        assert len(str(error)) < 1_000
