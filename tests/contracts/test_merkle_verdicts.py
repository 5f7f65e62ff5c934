"""The contract's verdict on a proof is that of Python and that of the definition, for valid and mutated proofs alike.

Three parties judge: merkle.vy on the EVM, tallystick.core.merkle, and `follows`/`stands` below, which rebuild the trees
from all leaves and know no proof algorithm at all: they accept exactly the proof that the RFC's recursive definition
gives. Where a strict verifier may accept more (a root does not bind its size), only the first two must agree.
"""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.contracts import artifact
from tallystick.core import merkle
from tallystick.core.errors import VerificationFailed

ZERO = "0x" + "00" * 20
SIZE_MAX = 40 if os.environ.get("TALLYSTICK_LONG") else 17
LEAVES = [merkle.leaf_hash(bytes([i])) for i in range(SIZE_MAX + 1)]
FOREIGN = merkle.leaf_hash(b"from another tree")


def root_of(leaves):
    """RFC 6962 section 2.1, word for word."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(root_of(leaves[:split]), root_of(leaves[split:]))


def path_of(index, leaves):
    """RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*path_of(index, leaves[:split]), root_of(leaves[split:])]
    return [*path_of(index - split, leaves[split:]), root_of(leaves[:split])]


def proof_of(old, leaves, whole=True):
    """RFC 6962 section 2.1.2, SUBPROOF."""
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*proof_of(old, leaves[:split], whole), root_of(leaves[split:])]
    return [*proof_of(old - split, leaves[split:], False), root_of(leaves[:split])]


def mutants(proof):
    """Proofs that differ from `proof` by one node left out, added, doubled, swapped or replaced."""
    yield [*proof, FOREIGN]
    yield [FOREIGN, *proof]
    for i in range(len(proof)):
        yield proof[:i] + proof[i + 1 :]
        yield [*proof[:i], proof[i], *proof[i:]]
        yield [*proof[:i], FOREIGN, *proof[i + 1 :]]
    for i, (left, right) in enumerate(pairwise(proof)):
        if left != right:
            yield [*proof[:i], right, left, *proof[i + 2 :]]


def python_accepts(check, *arguments):
    try:
        check(*arguments)
    except VerificationFailed:
        return False
    return True


@pytest.fixture(scope="module")
def logs(ledger):
    return LogAnchor(ledger, ledger.deploy(artifact("LogAnchor").bytecode))


def test_every_consistency_proof_is_accepted_and_every_mutant_refused(logs):
    roots = [root_of(LEAVES[:n]) for n in range(SIZE_MAX + 1)]
    for new in range(1, SIZE_MAX + 1):
        for old in range(1, new):
            proof = proof_of(old, LEAVES[:new])
            assert logs.consistent(old, roots[old], new, roots[new], proof), (old, new)
            merkle.verify_consistency(old, new, roots[old], roots[new], proof)
            changed = list(mutants(proof))
            # All mutants of a few pairs, one of every other: the same walk judges them all.
            for mutant in changed if (old * 7 + new) % 11 == 0 else changed[(old + new) % len(changed) :][:1]:
                assert not python_accepts(merkle.verify_consistency, old, new, roots[old], roots[new], mutant)
                assert not logs.consistent(old, roots[old], new, roots[new], mutant), (old, new)


def test_a_proof_under_other_sizes_or_roots_gets_one_verdict_from_both(logs):
    roots = [root_of(LEAVES[:n]) for n in range(SIZE_MAX + 1)]
    verdicts = set()
    for new in range(2, SIZE_MAX, 3):
        for old in range(1, new):
            proof = proof_of(old, LEAVES[:new])
            for claim in (
                (old, roots[old], new + 1, roots[new]),
                (old, roots[old], new - 1, roots[new]),
                (old + 1, roots[old], new, roots[new]),
                (old - 1, roots[old], new, roots[new]),
                (old, roots[old - 1], new, roots[new]),
                (old, roots[old], new, roots[new + 1]),
                (new, roots[new], old, roots[old]),
            ):
                verdict = python_accepts(merkle.verify_consistency, claim[0], claim[2], claim[1], claim[3], proof)
                assert logs.consistent(*claim, proof) is verdict, (claim[0], claim[2])
                verdicts.add(verdict)
    assert verdicts == {True, False}  # a root does not bind its size: some of these pass any strict verifier


@pytest.mark.parametrize("proof", [[], [FOREIGN], [FOREIGN] * 63])
def test_the_edges_get_one_verdict_from_both(logs, proof):
    root, empty, top = FOREIGN, merkle.EMPTY_ROOT, 2**63 - 1
    for old_size, new_size in [(0, 0), (0, 1), (1, 1), (5, 5), (1, 0), (6, 5), (1, top), (top, top), (2**62, top)]:
        for old_root, new_root in [(root, root), (empty, empty), (empty, root), (root, empty)]:
            verdict = python_accepts(merkle.verify_consistency, old_size, new_size, old_root, new_root, proof)
            assert logs.consistent(old_size, old_root, new_size, new_root, proof) is verdict


def test_inclusion_holds_for_every_leaf_and_for_no_mutant(ledger, logs):
    owner = ledger.accounts[0]
    for size in range(1, SIZE_MAX + 1):
        leaves, root = LEAVES[:size], root_of(LEAVES[:size])
        ledger.send(logs.open_log(f"size {size}", FOREIGN, ZERO, ZERO), owner)
        log_id = logs.log_count()
        ledger.send(logs.anchor(log_id, size, root, []), owner)
        for index in range(size):
            path = path_of(index, leaves)
            assert logs.verify_inclusion(log_id, index, leaves[index], path)
            merkle.verify_inclusion(index, size, leaves[index], path, root)
            changed = list(mutants(path))
            for mutant in changed if size % 8 == 0 else changed[index % len(changed) :][:1]:
                assert not python_accepts(merkle.verify_inclusion, index, size, leaves[index], mutant, root)
                assert not logs.verify_inclusion(log_id, index, leaves[index], mutant)
            assert not logs.verify_inclusion(log_id, index, FOREIGN, path)
        assert not logs.verify_inclusion(log_id, size, leaves[-1], path_of(size - 1, leaves))


def test_a_size_misstated_in_the_anchor_gets_one_verdict_from_both(ledger, logs):
    owner = ledger.accounts[0]
    verdicts = set()
    for size in range(2, SIZE_MAX, 2):
        leaves, root = LEAVES[:size], root_of(LEAVES[:size])
        for claimed in (size - 1, size + 1):
            ledger.send(logs.open_log(f"{size} as {claimed}", FOREIGN, ZERO, ZERO), owner)
            log_id = logs.log_count()
            ledger.send(logs.anchor(log_id, claimed, root, []), owner)
            for index in range(size):
                path = path_of(index, leaves)
                verdict = python_accepts(merkle.verify_inclusion, index, claimed, leaves[index], path, root)
                assert logs.verify_inclusion(log_id, index, leaves[index], path) is verdict
                verdicts.add(verdict)
    assert verdicts == {True, False}


hashes = st.binary(min_size=32, max_size=32)
# Up to 2**62 every consistency proof fits 63 nodes; above, one from a lone leaf may need 64 and cannot be sent.
sizes_of_two = st.lists(
    st.integers(0, 62).flatmap(lambda bits: st.integers(1, 2**bits)), min_size=2, max_size=2, unique=True
)


@settings(max_examples=40, deadline=None)
@given(
    sizes=sizes_of_two.map(sorted),
    seed=hashes,
    extra=st.integers(-1, 1),
)
def test_proofs_between_huge_trees_get_one_verdict_from_both(logs, synthetic_proof, sizes, seed, extra):
    old_size, new_size = sizes
    old_root, new_root, proof = synthetic_proof(old_size, new_size, seed)
    assert logs.consistent(old_size, old_root, new_size, new_root, proof)
    wrong = proof[: len(proof) + extra] if extra <= 0 else [*proof, seed]
    if extra and len(wrong) <= 63:
        assert not logs.consistent(old_size, old_root, new_size, new_root, wrong)
        assert not python_accepts(merkle.verify_consistency, old_size, new_size, old_root, new_root, wrong)
