"""Scores of a workspace: payments from index and proofs, what washing is worth, and the same figures offline."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from tallystick.agents.identity.registration import Registration
from tallystick.agents.reputation.payments import NATIVE
from tallystick.agents.scoring import Seed, Terms
from tallystick.agents.scoring.basis import Basis
from tallystick.chain.bindings.token import Token
from tallystick.chain.calls import Call
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.tally.agents import senders
from tallystick.tally.agents.feedback import Opinion
from tallystick.tally.workspace import Tally

UNIT = 10**6
SYBILS = [f"sybil{number}" for number in range(4)]
TERMS = Terms(prior=UNIT)


@contextmanager
def refused(code):
    with pytest.raises((InvalidInput, VerificationFailed)) as caught:
        yield
    assert caught.value.code == code


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A workspace with a token, a merchant whom everybody knows, two clients who bought from him, and an agent."""
    with Tally.create(tmp_path_factory.mktemp("town") / ".tally", lambda _: "") as tally:
        tally.deploy()
        token = Token(tally.node, tally.deploy_token("Example Dollar", "USD", 6, 10**9 * UNIT))
        for name in ("alice", "bob", *SYBILS):
            senders.send(tally, senders.OWN, token.transfer(tally.agents.address(name), 10_000 * UNIT), f"give {name}")
        agents = tally.agents
        agent = agents.identities.register(Registration("quotes"), by="seller").agent
        agents.identities.set_key_wallet(agent, "till", by="seller")
        for client in ("alice", "bob"):
            senders.send(tally, client, token.transfer(agents.address("merchant"), 500 * UNIT), "buy")
        yield tally, token, agent


@pytest.fixture
def pay(town):
    tally, token, _ = town

    def paid(payer, payee, units):
        call = token.transfer(tally.agents.address(payee), units)
        return senders.send(tally, payer, call, f"pay {payee}").transaction_hash

    return paid


@pytest.fixture
def say(town):
    tally, token, agent = town

    def said(client, value, *, paid=None, coin=token.address):
        file = tally.agents.feedback.write(agent, Opinion(value, 0), paid=paid, coin=coin, by=client)
        return tally.agents.feedback.give(file, by=client)

    return said


@pytest.fixture
def basis(town):
    tally, _, agent = town

    def made(*, seeds=(), **options):
        tally.index.sync()
        seeds = seeds or [Seed(tally.agents.address("merchant"), 1_000 * UNIT)]
        return tally.agents.feedback.basis(agent, seeds, terms=TERMS, **options)

    return made


def test_washing_moves_the_averages_and_not_the_score(town, pay, say, basis):
    for client, value in (("alice", 90), ("bob", 70)):
        say(client, value, paid=pay(client, "till", 20 * UNIT))
    before = basis().compute()
    assert (before.naive, before.clients, before.heard) == (800, 2, 2)
    assert before.score.good == 32 * UNIT  # 20 of each client's trust: 18 and 14 for the agent
    assert before.score.permille == 1000 * 32 // 41
    for place, sybil in enumerate(SYBILS):
        pay(sybil, "till", 2_000 * UNIT)
        pay("till", sybil, 2_000 * UNIT)
        pay(sybil, SYBILS[place - 1], 500 * UNIT)
        say(sybil, 0)
    after = basis().compute()
    assert (after.naive, after.clients) == (266, 6)
    assert after.paid < 10
    assert after.score == before.score
    assert (after.low.permille, after.high.permille) == (0, 0)  # there is one seed, and without it nobody is known
    assert after.heard == 2  # they bought from one another; no trust reaches them


def test_a_score_is_computed_again_from_its_document_alone(basis):
    made = basis()
    again = Basis.from_bytes(made.to_bytes())
    assert again == made
    assert again.compute() == made.compute()
    for old, new in ((b"score/v1", b"score/v2"), (b'"block":', b'"block":-'), (b'"own":["', b'"own":["x')):
        with pytest.raises(InvalidInput):
            Basis.from_bytes(made.to_bytes().replace(old, new))
    with pytest.raises(InvalidInput, match="whole"):
        Basis.from_bytes(made.to_bytes().replace(b'","1000000000"]]', b'"]]'))


def test_the_words_of_a_score_say_what_stands_beside_it(basis):
    said = basis().compute().explain(lambda units: f"{units // UNIT} USD")
    assert any("USD speaks for the agent" in line for line in said)
    assert any("naive average" in line for line in said)
    assert said[-1].startswith("the score hangs on one seed")


def test_a_payment_is_proved_before_anything_is_said(town, pay, say):
    tally, token, agent = town
    other = pay("alice", "merchant", UNIT)
    with refused("payment.amount"):
        say("alice", 50, paid=other)
    with refused("payment.absent"):
        say("alice", 50, paid=b"\x07" * 32)
    mine = pay("bob", "till", UNIT)
    with refused("payment.amount"):
        say("alice", 50, paid=mine)  # somebody else's
    with refused("payment.amount"):
        say("bob", 50, paid=mine, coin=NATIVE)
    given = say("bob", 50, paid=mine)
    tally.index.sync()
    said = next(
        one for one in tally.agents.feedback.of(agent) if (one.client, one.index) == (given.client, given.index)
    )
    report = tally.agents.feedback.check(agent, said, token.address)
    assert report.ok
    assert [check.name for check in report.checks][-2:] == ["payer", "payment"]
    assert [one.name for one in tally.agents.feedback.check(agent, said).failures] == ["payment"]  # of another coin


def test_what_is_paid_in_the_chains_own_coin_counts_by_the_proofs_on_all_agents(town, say, basis):
    """Alice is a client of another agent, whom the reader knows: so she is heard; Bob bought nothing elsewhere."""
    tally, _, agent = town
    other = tally.agents.identities.register(Registration("weather"), by="forecaster").agent
    for payee, whom, client in (("till", agent, "alice"), ("till", agent, "bob"), ("forecaster", other, "alice")):
        call = Call(tally.agents.address(payee), b"", 10**17, "account", "pay")
        receipt = senders.send(tally, client, call, f"pay natively {payee}")
        paid = {"paid": receipt.transaction_hash, "coin": NATIVE}
        file = tally.agents.feedback.write(whom, Opinion(80, 0), **paid, by=client)
        tally.agents.feedback.give(file, by=client)
    address = tally.agents.address
    made = basis(coin=NATIVE, seeds=[Seed(address("forecaster"), 10**17)])
    assert {(one.payer, one.payee, one.price) for one in made.payments} == {
        (address("alice"), address("till"), 10**17),
        (address("bob"), address("till"), 10**17),
        (address("alice"), address("forecaster"), 10**17),
    }
    assert all(one.burned > 0 for one in made.payments)
    scored = made.compute()
    assert scored.heard == 1
    assert scored.score.good > 0


def test_a_proof_of_a_payment_that_the_index_has_counts_once(town, pay, say, basis):
    tally, _, _ = town
    pair = (tally.agents.address("alice"), tally.agents.address("till"))
    before = next(one for one in basis().payments if (one.payer, one.payee) == pair)
    say("alice", 90, paid=pay("alice", "till", 5 * UNIT))
    after = next(one for one in basis().payments if (one.payer, one.payee) == pair)
    assert (after.price - before.price, after.burned) == (5 * UNIT, 0)


def test_whose_the_agent_was_speaks_for_nobody(town, basis):
    tally, _, agent = town
    own = {tally.agents.address(name) for name in ("seller", "till")}
    tally.agents.identities.transfer(agent, tally.agents.address("buyer"), by="seller")
    assert set(basis().own) == own | {tally.agents.address("buyer")}
    with refused("agent.unindexed"):
        tally.agents.feedback.basis(tally.agents.registries.agent(99), [Seed(agent.registry.address, 1)])


def test_a_file_is_given_by_its_own_client_alone(town):
    tally, _, agent = town
    file = tally.agents.feedback.write(agent, Opinion(1, 0), by="alice")
    with refused("feedback.client"):
        tally.agents.feedback.give(file, by="bob")
