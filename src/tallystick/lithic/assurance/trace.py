"""The trace of an answer: the vector after each stage, and its hash; what is claimed under bond, and what refutes it.

A vector is its numbers as 32-byte words, two's complement, one after the other; its hash is keccak-256. A list of
hashes is right at a stage if its hash there is that of what the stage makes of the true vector before. The first stage
at which a list is wrong has a right hash before it, whose vector whoever computed the model knows: so a wrong list can
always be refuted, and a right one never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.core.digest import keccak
from tallystick.lithic.integer.model import IntegerModel, Vector
from tallystick.lithic.integer.reference import evaluate, predict

_WORD_BYTES = 32


@dataclass(frozen=True)
class Trace:
    """The vectors of one answer: the unpacked input, then what comes out of each stage, the answer last."""

    vectors: tuple[Vector, ...]

    @property
    def answer(self) -> Vector:
        """The decision, where the model makes one, then every score."""
        return self.vectors[-1]

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Of the vectors after each stage; the unpacked input is not among them."""
        return tuple(keccak(words(vector)) for vector in self.vectors[1:])


@dataclass(frozen=True)
class Fault:
    """Where a claim is wrong: the first such stage, from 0, and the words that go into it."""

    stage: int
    vector: bytes


def trace(model: IntegerModel, x: Sequence[int]) -> Trace:
    """Return the trace of the answer to an input; raises InvalidInput "kernel.input"."""
    vectors = evaluate(model, x)
    return Trace((*vectors, predict(model, x)) if model.decision != "none" else tuple(vectors))


def first_fault(right: Trace, claimed: Sequence[bytes]) -> Fault | None:
    """Return the first stage at which claimed hashes are wrong, None if none is."""
    for stage, (ours, theirs) in enumerate(zip(right.hashes, claimed, strict=True)):
        if ours != theirs:
            return Fault(stage, words(right.vectors[stage]))
    return None


def words(vector: Sequence[int]) -> bytes:
    """Return the words of a vector."""
    return b"".join(number.to_bytes(_WORD_BYTES, signed=True) for number in vector)
