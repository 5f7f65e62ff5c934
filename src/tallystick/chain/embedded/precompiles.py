"""The two precompiled contracts where this ledger does not take py-evm's: modular exponentiation and KZG openings.

py-evm answers 0 for an empty base even when the exponent is 0 too, where the answer is 1 (EIP-198, geth, revm). For
EIP-4844 it loads the trusted setup, a second or more, at every call, and checks with `assert`, which `python -O` drops.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import ckzg
from eth.exceptions import VMError
from eth.precompiles.modexp import extract_lengths
from eth.precompiles.point_evaluation import TRUSTED_SETUP_PATH
from eth.vm.forks.berlin.computation import _compute_modexp_gas_fee_eip_2565 as modexp_gas

from tallystick.core.digest import sha256

MODEXP: Final = (5).to_bytes(20, "big")
POINT_EVALUATION: Final = (10).to_bytes(20, "big")

_POINT_EVALUATION_GAS: Final = 50_000

# FIELD_ELEMENTS_PER_BLOB and BLS_MODULUS, what a successful call returns
_ANSWER: Final = (4_096).to_bytes(32, "big") + bytes.fromhex(
    "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"
)


def modexp(computation: Any) -> Any:
    """Return base ** exponent mod modulus; input is three lengths and then the three numbers, zeros where it ends.

    source  EIP-198, with the gas of EIP-2565
    """
    data = computation.msg.data_as_bytes
    computation.consume_gas(modexp_gas(data), reason="modexp")
    base_length, exponent_length, modulus_length = extract_lengths(data)
    if modulus_length == 0:
        computation.output = b""
        return computation
    # a length that memory could not hold has cost more gas than there is
    numbers: list[int] = []
    start = 96
    for length in (base_length, exponent_length, modulus_length):
        numbers.append(int.from_bytes(data[start : start + length].ljust(length, b"\0"), "big"))
        start += length
    base, exponent, modulus = numbers
    result = pow(base, exponent, modulus) if modulus else 0
    computation.output = result.to_bytes(modulus_length, "big")
    return computation


def point_evaluation(computation: Any) -> Any:
    """Check that the polynomial behind a commitment has the value y at z; input is hash ‖ z ‖ y ‖ commitment ‖ proof.

    raises  VMError, which fails the call, as every precompile does
    """
    computation.consume_gas(_POINT_EVALUATION_GAS, reason="point evaluation")
    data = computation.msg.data_as_bytes
    if len(data) != 192:
        raise VMError("point evaluation input is not 192 bytes")
    versioned_hash, z, y, commitment, proof = data[:32], data[32:64], data[64:96], data[96:144], data[144:]
    if versioned_hash != b"\x01" + sha256(commitment)[1:]:
        raise VMError("commitment does not match the versioned hash")
    try:
        valid = ckzg.verify_kzg_proof(commitment, z, y, proof, _setup())
    except RuntimeError as error:  # a point that is not on the curve, a number beyond the field
        raise VMError(f"KZG proof is malformed: {error}") from None
    if not valid:
        raise VMError("KZG proof does not verify")
    computation.output = _ANSWER
    return computation


@functools.cache
def _setup() -> Any:
    return ckzg.load_trusted_setup(TRUSTED_SETUP_PATH, 0)
