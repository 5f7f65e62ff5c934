"""The assembler's bytes are what its names say, and its worst gas is that of the dearest path."""

from __future__ import annotations

import pytest
from eth.vm.forks.prague.opcodes import PRAGUE_OPCODES

from tallystick.chain.scratch import ScratchEvm
from tallystick.core.errors import Broken
from tallystick.lithic.evm import assembler
from tallystick.lithic.evm.assembler import Assembler, initcode
from tests.lithic.evm.opcodes import opcodes

HERE = "0x" + "01" * 20


def run(asm: Assembler, data: bytes = b""):
    evm = ScratchEvm()
    evm.put(HERE, asm.assemble())
    return evm.call(HERE, data)


def test_every_instruction_has_the_code_and_the_gas_that_the_evm_gives_it():
    for name, (code, gas) in assembler._OPS.items():
        known = PRAGUE_OPCODES[code]
        assert known.mnemonic == name
        if name != "STATICCALL":  # 100 or 2,600, as the account is warm or cold: the dearer is charged
            assert known.gas_cost == gas


@pytest.mark.parametrize("value", [0, 1, 255, 256, 2**255, 2**256 - 1, -1, 2**256 + 5])
def test_a_number_is_pushed_in_as_few_bytes_as_hold_it_modulo_a_word(value):
    asm = Assembler()
    asm.push(value)
    asm.store(0)
    asm.push(32, 0)
    asm.op("RETURN")
    word = value % 2**256
    assert int.from_bytes(run(asm).output) == word
    assert asm.size == len(asm.assemble()) == 1 + (word.bit_length() + 7) // 8 + 6


@pytest.mark.parametrize("flag", [0, 1])
def test_the_worst_gas_is_that_of_the_dearer_branch(flag):
    asm = Assembler()
    dear = asm.new_label("dear")
    asm.push(0)
    asm.op("CALLDATALOAD")
    asm.jump_if(dear)
    asm.op("STOP")
    asm.place(dear)
    asm.push(7)
    asm.store(320)
    done = run(asm, flag.to_bytes(32))
    assert done.ok
    assert (done.gas == asm.worst_gas()) == bool(flag)
    assert done.gas <= asm.worst_gas()


def test_memory_is_charged_by_the_square():
    asm = Assembler()
    asm.push(1)
    asm.store(40_000)
    assert run(asm).gas == asm.worst_gas() > 3 * 1_251 + 3_000


def test_a_label_that_is_nowhere_or_behind_is_refused():
    asm = Assembler()
    asm.jump(asm.new_label("nowhere"))
    with pytest.raises(Broken, match="nowhere"):
        asm.assemble()
    behind = Assembler()
    label = behind.new_label("behind")
    behind.place(label)
    behind.jump(label)
    with pytest.raises(Broken, match="backward"):
        behind.worst_gas()


@pytest.mark.parametrize("code", [b"", b"\x00", bytes(range(256)), b"\x5b" * 24_576])
def test_initcode_returns_the_code_after_it(code):
    evm = ScratchEvm()
    evm.put(HERE, initcode(code))
    assert evm.call(HERE, b"").output == code
    assert list(opcodes(initcode(b""))) == ["PUSH2", "DUP1", "PUSH1", "PUSH0", "CODECOPY", "PUSH0", "RETURN"]
