"""An EVM with nothing in it: code runs there as on a chain, for the same gas, and leaves nothing behind."""

from __future__ import annotations

import pytest

from tallystick.chain.scratch import ScratchEvm, transaction_gas
from tallystick.core.errors import Broken

HERE, THERE = "0x" + "01" * 20, "0x" + "02" * 20
PUSH_SLOT_0_LOAD_AND_RETURN = bytes.fromhex("5f545f5260205ff3")
COUNT_UP = bytes.fromhex("5f546001015f555f545f5260205ff3")  # slot 0 += 1, returned
CALL_THERE = bytes.fromhex("5f5f5f5f73" + "02" * 20 + "5afa5f5260205ff3")


def called(evm: ScratchEvm, address: str = HERE, **how: int) -> tuple[bool, int, int]:
    done = evm.call(address, b"", **how)
    return done.ok, int.from_bytes(done.output), done.gas


def test_code_sees_its_storage_all_of_it_cold() -> None:
    evm = ScratchEvm()
    evm.put(HERE, PUSH_SLOT_0_LOAD_AND_RETURN, {0: 77})
    assert called(evm) == (True, 77, 2 + 2_100 + 2 + 3 + 3 + 3 + 2)
    evm.put(HERE, PUSH_SLOT_0_LOAD_AND_RETURN)
    assert called(evm)[1] == 0


def test_each_call_is_the_first() -> None:
    evm = ScratchEvm()
    evm.put(HERE, COUNT_UP, {0: 4})
    first = called(evm)
    assert first[:2] == (True, 5)
    assert called(evm) == first


def test_the_target_is_warm_and_every_other_account_is_cold() -> None:
    evm = ScratchEvm()
    evm.put(HERE, CALL_THERE)
    evm.put(THERE, b"\x00")
    frame = 4 * 2 + 3 + 2 + 2 + 3 + 3 + 3 + 2
    assert called(evm) == (True, 1, frame + 2_600)


def test_out_of_gas_takes_all_of_it_and_a_revert_what_it_used() -> None:
    evm = ScratchEvm()
    evm.put(HERE, COUNT_UP)
    assert called(evm, gas=5_000) == (False, 0, 5_000)
    evm.put(HERE, bytes.fromhex("60075f5260205ffd"))
    assert called(evm) == (False, 7, 3 + 2 + 3 + 3 + 3 + 2)


def test_an_account_without_code_answers_nothing_for_nothing() -> None:
    assert called(ScratchEvm()) == (True, 0, 0)


def test_what_the_evm_itself_cannot_take_is_our_fault() -> None:
    with pytest.raises(Broken) as raised:
        ScratchEvm().call(HERE, b"", gas=-1)
    assert raised.value.code == "scratch.evm"


@pytest.mark.parametrize(("data", "executed", "gas"), [
    (b"", 0, 21_000), (b"\0", 100, 21_104), (b"\x01", 100, 21_116), (b"\x01" * 1_000, 0, 61_000),
    (b"\x01" * 1_000, 24_000, 61_000), (b"\x01" * 1_000, 24_001, 61_001), (bytes(1_000), 0, 31_000),
])  # fmt: skip
def test_a_transaction_pays_for_its_calldata_or_the_floor_of_eip_7623(data: bytes, executed: int, gas: int) -> None:
    assert transaction_gas(data, executed) == gas
