"""Whatever bytes a kernel is called with, it gives the one right answer or refuses; there is no third."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.digest import keccak
from tallystick.lithic.integer.model import Dense, Field, Input, IntegerModel, Relu
from tallystick.lithic.integer.reference import predict
from tests.lithic.kernel_kit import ADDRESS, PREDICT, VIEWS, Kernel, answer, calldata, reason
from tests.lithic.kernel_models import dense, model
from tests.lithic.random_models import PATIENCE, examples, models

pytestmark = PATIENCE
MALFORMED, OUT_OF_RANGE = "kernel: malformed input", "kernel: input out of range"


def meaning(kernel: Kernel, data: bytes) -> tuple[int, ...] | str:
    """Return what IModel.vyi says that predict answers: the numbers, or the reason of the refusal."""
    declared = kernel.model.input
    size = declared.bits // 8
    padded = data.ljust(68, b"\0")
    offset, length = int.from_bytes(padded[4:36]), int.from_bytes(padded[36:68])
    if (offset, length) != (32, declared.size_bytes) or len(data) < 68 + length:
        return MALFORMED
    x = [int.from_bytes(data[68 + size * k : 68 + size * (k + 1)]) for k in range(len(declared.fields))]
    if any(not f.low <= value <= f.high for f, value in zip(declared.fields, x, strict=True)):
        return OUT_OF_RANGE
    return predict(kernel.model, x)


def answered(kernel: Kernel, data: bytes) -> tuple[int, ...] | str:
    """Return what the code answers, in the same terms; for any call but predict, that it refuses or is a view."""
    done = kernel.evm.call(ADDRESS, data)
    return answer(done.output) if done.ok else reason(done.output)


@settings(max_examples=examples(60), deadline=None)
@given(models(steps_max=2, fields_max=40), st.sampled_from((0, 1_000)), st.integers(0, 2**32 - 1))
def test_fields_in_range_are_answered_and_fields_out_of_it_refused(drawn, density, seed):
    kernel, rng = Kernel(drawn, density), Random(seed)
    fields, top = drawn.input.fields, (1 << drawn.input.bits) - 1
    for _ in range(5):
        x = [rng.randint(f.low, f.high) for f in fields]
        for k in rng.sample(range(len(fields)), min(2, len(fields))):
            at = fields[k]
            x[k] = rng.choice((at.low, at.high, max(at.low - 1, 0), min(at.high + 1, top), 0, top, rng.randint(0, top)))
        data = calldata(b"".join(value.to_bytes(drawn.input.bits // 8) for value in x))
        assert answered(kernel, data) == meaning(kernel, data)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("count", [1, 2, 33])
def test_ranges_that_are_narrower_by_one_are_enforced(bits, count):
    top = (1 << bits) - 1
    for low, high in ((1, top), (0, top - 1), (1, top - 1)):
        fields = tuple(Field(f"f{k}", low, high, "0", "1") for k in range(count))
        kernel = Kernel(IntegerModel("by one", Input(bits, fields), (Relu(),), "none", (), "1"))
        for at in {0, count // 2, count - 1}:
            for value in (low - 1, low, high, high + 1):
                if 0 <= value <= top:
                    x = [low] * at + [value] + [high] * (count - at - 1)
                    data = calldata(b"".join(number.to_bytes(bits // 8) for number in x))
                    assert answered(kernel, data) == (tuple(x) if low <= value <= high else OUT_OF_RANGE)


NARROW = IntegerModel(
    "narrow",
    Input(16, tuple(Field(f"f{k}", 5 * k, 60_000 - k, "0", "1") for k in range(19))),
    (dense(19, 5, seed=1), Relu(3), dense(5, 2, seed=2)),
    "argmax",
    (),
    "1",
)
GOOD = calldata(b"".join((1_000 + k).to_bytes(2) for k in range(19)))


@pytest.fixture(scope="module", params=[0, 1_000], ids=["sparse", "dense"])
def narrow(request) -> Kernel:
    return Kernel(NARROW, request.param)


mutants = st.one_of(
    st.integers(0, len(GOOD)).map(lambda end: GOOD[:end]),
    st.binary(max_size=100).map(lambda more: GOOD + more),
    st.tuples(st.integers(4, len(GOOD) - 1), st.binary(min_size=1, max_size=40)).map(
        lambda hit: GOOD[: hit[0]] + hit[1] + GOOD[hit[0] + len(hit[1]) :]
    ),
    st.tuples(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1)).map(
        lambda words: PREDICT + words[0].to_bytes(32) + words[1].to_bytes(32) + GOOD[68:]
    ),
    st.tuples(st.sampled_from((0, 31, 32, 33, 64, 96)), st.integers(0, 80)).map(
        lambda words: PREDICT + words[0].to_bytes(32) + words[1].to_bytes(32) + GOOD[68:]
    ),
    st.binary(max_size=200).map(lambda rest: PREDICT + rest),
)


@settings(max_examples=examples(300), deadline=None)
@given(data=mutants.filter(lambda data: data[:4] == PREDICT))
def test_changed_calldata_is_answered_as_the_interface_says(narrow, data):
    assert answered(narrow, data) == meaning(narrow, data)


@settings(max_examples=examples(100), deadline=None)
@given(data=st.binary(max_size=150))
def test_any_other_call_is_a_view_or_refused_without_a_reason(narrow, data):
    """As Solidity and Vyper refuse a function that they do not have."""
    views = {keccak(signature.encode())[:4]: words for signature, words in VIEWS.items()}
    done = narrow.evm.call(ADDRESS, data)
    if data.ljust(4, b"\0")[:4] in views:
        assert done.ok
    elif data[:4] != PREDICT:
        assert (done.ok, done.output) == (False, b"")


@pytest.mark.parametrize("signature", VIEWS)
def test_a_view_answers_its_words_whatever_follows_the_selector(narrow, signature):
    for rest in (b"", b"\0" * 31, b"\xff" * 64):
        done = narrow.evm.call(ADDRESS, keccak(signature.encode())[:4] + rest)
        assert done.output == b"".join(word.to_bytes(32) for word in VIEWS[signature])


def test_a_megabyte_of_calldata_changes_nothing(narrow):
    right = narrow.evm.call(ADDRESS, GOOD)
    long = narrow.evm.call(ADDRESS, GOOD + bytes(range(256)) * 4_096)
    assert (long.output, long.gas) == (right.output, right.gas)
    assert answered(narrow, PREDICT + b"\xff" * 2**20) == MALFORMED


def test_what_follows_the_input_in_its_last_word_is_not_read():
    """A field's neighbours are in the same word: a load that is not masked would take them in."""
    whole = model(Dense(((1, 2, 3),), (0,)), inputs=3)
    for density in (0, 1_000):
        kernel = Kernel(whole, density)
        clean = calldata(bytes((7, 8, 9)))
        for dirt in (b"\xff" * 29, b"\xff" * 61):
            assert answered(kernel, clean[:71] + dirt) == (50,)
