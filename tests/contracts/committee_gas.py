"""What a committee costs: the steps of one request with five members and an input of 60 bytes, and of its proofs."""

from __future__ import annotations

from vyper import compile_code

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import FeatureDemand
from tallystick.chain.bindings.signed_feeds import SignedFeeds
from tallystick.contracts import artifact
from tallystick.core.digest import sha256
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.feeds import FeedReading, feeds_domain
from tests.contracts.committee_kit import BOND, KERNEL, Kit, key_proof
from tests.contracts.token_kit import make_token

DATA = bytes(range(60))


def committee_costs(ledger):
    kit = Kit(ledger)
    people = ledger.accounts[1:6]
    made = {"register a provider": kit.register(people[0]).gas_used, "offer a model": kit.offer(people[0]).gas_used}
    for who in people[1:]:
        kit.register(who)
        kit.offer(who)
    for nonce, kind in enumerate(OutputKind):
        terms = kit.terms(people, input_digest=sha256(DATA), kind=int(kind), threshold=3)
        opened = ledger.send(kit.opening(terms, nonce, data=DATA), ledger.accounts[0])
        request = kit.contract.request_id_of(ledger.accounts[0], nonce, terms)
        answers = [kit.answer(request, who, 1) for who in people]
        commits = [kit.commit(request, answered).gas_used for answered in answers]
        reveals = [kit.reveal(request, answered).gas_used for answered in answers]
        if kind is OutputKind.LABEL:
            made |= {
                "open a request (5 members, input of 60 bytes)": opened.gas_used,
                "commit": commits[1],
                "reveal": reveals[1],
            }
        made[f"settle a {kind.name.lower()} (5 answers)"] = kit.settle(request).gas_used
    made["collect what was earned"] = ledger.send(kit.contract.collect(), people[0]).gas_used
    made["rotate a key"] = _rotate(kit, people[0]).gas_used
    made["announce a withdrawal"] = ledger.send(kit.contract.announce_withdrawal(BOND // 2), people[0]).gas_used
    made |= _with_features(kit) | _proofs(ledger) | _in_a_token(ledger)
    return {f"Committee: {step}": cost for step, cost in made.items()}


def _in_a_token(ledger):
    """What a token of the plainest kind adds where coins move; all else costs the same."""
    kit = Kit(ledger, make_token(ledger))
    people = ledger.accounts[1:6]
    registered = [kit.register(who) for who in people]
    for who in people:
        kit.offer(who)
    terms = kit.terms(people, input_digest=sha256(DATA), threshold=3)
    opened = ledger.send(kit.opening(terms, data=DATA), ledger.accounts[0])
    kit.run(kit.contract.request_id_of(ledger.accounts[0], 0, terms), dict.fromkeys(people, 1))
    return {
        "register a provider, bond in a token": registered[1].gas_used,
        "open a request (5 members, input of 60 bytes), paid in a token": opened.gas_used,
        "collect what was earned, in a token": ledger.send(kit.contract.collect(), people[0]).gas_used,
    }


def _rotate(kit, who):
    secret = kit.keys[who] = kit.key(who, 1)
    return kit.send(kit.contract.rotate_key(Account(secret).address, key_proof(secret, who, kit.domain)), who)


def _with_features(kit):
    """Open the same request with features that a signed feed vouches for."""
    ledger, key = kit.ledger, sha256(b"a bureau's key")
    feeds = SignedFeeds(ledger, ledger.deploy(artifact("SignedFeeds").bytecode))
    ledger.send(feeds.register_source("bureau", Account(key).address), ledger.accounts[0])
    at = ledger.node.block().timestamp
    reading = FeedReading(1, b"s" * 32, DATA, at).signature(key, feeds_domain(ledger.chain_id, feeds.address))
    demand = FeatureDemand(feeds.address, 1, b"s" * 32, 3_600)
    terms = kit.terms(ledger.accounts[1:6], input_digest=sha256(DATA), threshold=3, demand=demand)
    opening = kit.opening(terms, 9, data=DATA, observed_at=at, proof=reading)
    return {"open a request with signed features": ledger.send(opening, ledger.accounts[0]).gas_used}


def _proofs(ledger):
    kit = Kit(ledger)
    kernel = ledger.deploy(bytes.fromhex(compile_code(KERNEL, output_formats=["bytecode"])["bytecode"][2:]))
    alice, bob = kit.staff([BOND, BOND])
    for who in (alice, bob):
        kit.offer(who, kernel=kernel)
    request = kit.open(kit.terms([alice, bob], kernel=kernel, input_digest=sha256(b"\x01\x02\x03")))
    one, two, other = kit.answer(request, alice, 1), kit.answer(request, alice, 2), kit.answer(request, bob, 3)
    kit.commit(request, one)
    kit.commit(request, other)
    kit.reveal(request, other)
    twice = kit.contract.prove_equivocation(
        request, alice, one.output, one.cost, one.signature, two.output, two.cost, two.signature
    )
    wrong = kit.contract.prove_contradiction(request, bob, b"\x01\x02\x03")
    return {
        "prove two signed answers": ledger.send(twice, ledger.accounts[6]).gas_used,
        "prove a wrong answer (a kernel of a few gas)": ledger.send(wrong, ledger.accounts[6]).gas_used,
    }
