"""A kernel proves f(x), not x: a borrower who chooses its own features is refused, whatever else it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from vyper import compile_code

from tallystick.chain.accounts import Account
from tallystick.chain.bindings import signed_feeds as binding
from tallystick.chain.bindings.committee import FeatureDemand
from tallystick.chain.bindings.signed_feeds import SignedFeeds
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import Rejected
from tallystick.lithic.committee.feeds import FeedReading, feeds_domain
from tests.contracts.committee_kit import BOND, FEE, INPUT, MODEL, Kit

NOBODY = "0x" + "00" * 20
BUREAU, NEXT = sha256(b"the bureau's key"), sha256(b"its next key")
HOUR = 3_600


@pytest.fixture
def feeds(ledger):
    return SignedFeeds(ledger, ledger.deploy(artifact("SignedFeeds").bytecode))


@pytest.fixture
def domain(ledger, feeds):
    return feeds_domain(ledger.chain_id, feeds.address)


@pytest.fixture
def bureau(ledger, feeds):
    """Source 1: it belongs to the first account and signs with BUREAU."""
    ledger.send(feeds.register_source("credit bureau", Account(BUREAU).address), ledger.accounts[0])
    return 1


def subject_of(who):
    return bytes(12) + bytes.fromhex(who[2:])


def now(ledger):
    """Return the time of the newest block, at which a view is asked."""
    return ledger.node.block().timestamp


def test_a_source_is_registered_with_a_name_and_a_key(ledger, feeds, events, refused):
    alice, signer = ledger.accounts[0], Account(BUREAU).address
    mined = ledger.send(feeds.register_source("credit bureau", signer), alice)
    assert events(mined, binding.EVENTS) == [binding.SourceRegistered(1, alice, "credit bureau", signer)]
    assert feeds.source_count() == 1
    assert feeds.source_at(1) == binding.FeedSource(alice, signer, "credit bureau", 1)
    assert feeds.source_signer_at(1, 0) == binding.FeedSigner(signer, mined.time, 0)
    with refused("feeds: empty name"):
        ledger.send(feeds.register_source("", signer), alice)
    with refused("feeds: empty key"):
        ledger.send(feeds.register_source("nobody", NOBODY), alice)
    with refused("feeds: unknown source"):
        feeds.source_at(2)
    with refused("feeds: unknown key"):
        feeds.source_signer_at(1, 1)


def test_a_replaced_key_signs_nothing_more_and_an_ended_source_is_ended(ledger, feeds, domain, bureau, events, refused):
    alice, mallory = ledger.accounts[:2]
    reading = FeedReading(bureau, subject_of(alice), INPUT, now(ledger))
    shown = (bureau, reading.subject, INPUT, reading.observed_at, HOUR)
    assert feeds.check_features(*shown, reading.signature(BUREAU, domain))
    with refused("feeds: not the owner"):
        ledger.send(feeds.rotate_source_key(bureau, Account(NEXT).address), mallory)
    with refused("feeds: unchanged"):
        ledger.send(feeds.rotate_source_key(bureau, Account(BUREAU).address), alice)
    mined = ledger.send(feeds.rotate_source_key(bureau, Account(NEXT).address), alice)
    assert events(mined, binding.EVENTS) == [binding.SourceKeyRotated(bureau, Account(NEXT).address, 1)]
    assert feeds.source_signer_at(bureau, 0).until == mined.time
    with refused("feeds: not signed by the source"):  # the stolen key dates back in vain
        feeds.check_features(*shown, reading.signature(BUREAU, domain))
    assert feeds.check_features(*shown, reading.signature(NEXT, domain))
    ledger.send(feeds.rotate_source_key(bureau, NOBODY), alice)
    with refused("feeds: ended"):
        feeds.check_features(*shown, reading.signature(NEXT, domain))
    with refused("feeds: ended"):
        ledger.send(feeds.rotate_source_key(bureau, Account(BUREAU).address), alice)
    with refused("feeds: ended"):  # nor was there ever a source 2
        feeds.check_features(2, *shown[1:], reading.signature(NEXT, domain))


def test_a_reading_is_fresh_and_not_from_the_future(ledger, feeds, domain, bureau, refused):
    alice = ledger.accounts[0]
    ledger.send(Call(alice, b""), alice)
    at = now(ledger)

    def check(observed_at, max_age_s):
        reading = FeedReading(bureau, subject_of(alice), INPUT, observed_at)
        return feeds.check_features(
            bureau, reading.subject, INPUT, observed_at, max_age_s, reading.signature(BUREAU, domain)
        )

    assert check(at, 0)
    assert check(at - 10, 10)
    with refused("feeds: stale"):
        check(at - 11, 10)
    for later in (at + 1, 2**64 - 1):
        with refused("feeds: from the future"):
            check(later, 2**32 - 1)


def test_every_part_of_a_reading_is_signed(ledger, feeds, domain, bureau, refused):
    alice, bob = ledger.accounts[:2]
    ledger.send(feeds.register_source("another of its sources", Account(BUREAU).address), alice)
    reading = FeedReading(bureau, subject_of(alice), INPUT, now(ledger))
    signature = reading.signature(BUREAU, domain)
    assert feeds.reading_digest(bureau, reading.subject, INPUT, reading.observed_at) == reading.digest(domain)
    for other in (
        replace(reading, source_id=2),
        replace(reading, subject=subject_of(bob)),
        replace(reading, features=INPUT + b"\0"),
        replace(reading, observed_at=reading.observed_at - 1),
    ):
        with refused("feeds: not signed by the source"):
            feeds.check_features(
                other.source_id, other.subject, other.features, other.observed_at, 2**32 - 1, signature
            )
    for mangled in (b"", signature[:64], signature + b"\0", bytes(65)):
        with refused("feeds: not signed by the source"):
            feeds.check_features(bureau, reading.subject, INPUT, reading.observed_at, HOUR, mangled)
    elsewhere = replace(domain, chain_id=domain.chain_id + 1)
    with refused("feeds: not signed by the source"):
        feeds.check_features(
            bureau, reading.subject, INPUT, reading.observed_at, HOUR, reading.signature(BUREAU, elsewhere)
        )


def test_the_domain_is_what_the_python_form_signs_in(feeds, domain):
    fields, name, version, chain_id, contract, salt, extensions = feeds.eip712_domain()
    assert (name, version, chain_id, contract) == (
        domain.name, domain.version, domain.chain_id, domain.verifying_contract,
    )  # fmt: skip
    assert (fields, salt, extensions) == (b"\x0f", bytes(32), ())


# --- the attack


# A lender that asks a committee for a borrower's risk class, with features of its bureau about that very borrower.
LENDER = """
# pragma version 0.4.3
struct Demand:
    checker: address
    source_id: uint256
    subject: bytes32
    max_age_s: uint32

struct Terms:
    model_digest: bytes32
    input_digest: bytes32
    demand: Demand
    kernel: address
    output_index: uint8
    kind: uint8
    low: int256
    high: int256
    tolerance: uint256
    members: DynArray[address, 15]
    threshold: uint8
    fee: uint256
    stake: uint256
    commit_s: uint32
    reveal_s: uint32

struct Answer:
    request_id: bytes32
    consumer: address
    model_digest: bytes32
    input_digest: bytes32
    output: Bytes[32]
    mode: uint8
    cost: uint256
    deadline: uint64
    nonce: uint256

interface ICommittee:
    def ask(nonce: uint256, terms: Bytes[2816], data: Bytes[8192]) -> bytes32: payable
    def read_answer(answer: Answer) -> DynArray[int256, 256]: view

committee: ICommittee
checker: address
members: DynArray[address, 15]
model: bytes32
nonce: uint256
applicant: public(HashMap[bytes32, address])
approved: public(HashMap[address, bool])

@external
def set_up(committee: address, checker: address, members: DynArray[address, 15], model: bytes32):
    self.committee = ICommittee(committee)
    self.checker = checker
    self.members = members
    self.model = model

@external
@payable
def apply(features: Bytes[8192], observed_at: uint64, proof: Bytes[1024]):
    terms: Terms = empty(Terms)
    terms.model_digest = self.model
    terms.input_digest = sha256(features)
    terms.demand = Demand(
        checker=self.checker, source_id=1, subject=convert(msg.sender, bytes32), max_age_s=3600
    )
    terms.kind = 1
    terms.high = 1
    terms.members = self.members
    terms.threshold = convert(len(self.members), uint8)
    terms.fee = 1000
    terms.commit_s = 600
    terms.reveal_s = 600
    request_id: bytes32 = extcall self.committee.ask(
        self.nonce, abi_encode(terms, observed_at, proof), features, value=msg.value
    )
    self.nonce += 1
    self.applicant[request_id] = msg.sender

@external
def decide(answer: Answer):
    who: address = self.applicant[answer.request_id]
    assert who != empty(address), "lender: not asked"
    self.approved[who] = (staticcall self.committee.read_answer(answer))[0] == 1
"""
APPLY = keccak(b"apply(bytes,uint64,bytes)")[:4]
ANSWER = "(bytes32,address,bytes32,bytes32,bytes,uint8,uint256,uint64,uint256)"
DECIDE = keccak(f"decide({ANSWER})".encode())[:4]
GOOD, TRUE = b"rich and punctual", b"in debt"


class Bank:
    """The lender, its committee and its bureau."""

    def __init__(self, ledger, feeds, domain):
        self.ledger, self.feeds, self.domain = ledger, feeds, domain
        self.kit = Kit(ledger)
        self.members = self.kit.staff([BOND, BOND])
        code = compile_code(LENDER, output_formats=["bytecode"])["bytecode"]
        self.lender = ledger.deploy(bytes.fromhex(code[2:]))
        given = encode(
            ["address", "address", "address[]", "bytes32"],
            [self.kit.contract.address, feeds.address, self.members, MODEL],
        )
        self.call(keccak(b"set_up(address,address,address[],bytes32)")[:4] + given, ledger.accounts[0])

    def call(self, data, who, value=0):
        return self.ledger.send(Call(self.lender, data, value), who)

    def reading(self, who, features, age_s=0, key=BUREAU):
        made = FeedReading(1, subject_of(who), features, self.ledger.time - age_s)
        return made, made.signature(key, self.domain)

    def apply(self, who, features, reading, signature):
        given = encode(["bytes", "uint64", "bytes"], [features, reading.observed_at, signature])
        mined = self.call(APPLY + given, who, 2 * FEE)
        return mined.logs[0].topics[1]

    def answer(self, request, output):
        """The committee answers; the lender decides."""
        self.kit.run(request, dict.fromkeys(self.members, output))
        shown = self.kit.receipt(request)
        self.call(
            keccak(f"decide({ANSWER})".encode())[:4] + encode([ANSWER], [shown.to_abi()]), self.ledger.accounts[0]
        )

    def is_approved(self, who):
        data = keccak(b"approved(address)")[:4] + subject_of(who)
        return bool(int.from_bytes(self.ledger.call(self.lender, data), "big"))


@pytest.fixture
def bank(ledger, feeds, domain, bureau):
    return Bank(ledger, feeds, domain)


def tick(ledger):
    ledger.send(Call(ledger.accounts[7], b""), ledger.accounts[7])


def test_a_borrower_with_features_of_the_bureau_is_heard(ledger, bank):
    borrower = ledger.accounts[4]
    reading, signature = bank.reading(borrower, GOOD)
    tick(ledger)
    request = bank.apply(borrower, GOOD, reading, signature)
    assert bank.kit.contract.request_at(request).observed_at == reading.observed_at
    assert bank.kit.contract.terms_of(request).demand == FeatureDemand(
        bank.feeds.address, 1, subject_of(borrower), HOUR
    )
    bank.answer(request, 1)
    assert bank.is_approved(borrower)


def test_a_borrower_who_chooses_its_own_features_is_refused(ledger, bank, refused):
    borrower, friend = ledger.accounts[4:6]
    own_key = sha256(b"the borrower's key")
    true, true_signature = bank.reading(borrower, TRUE)
    tick(ledger)

    def refused_for(reason, features, reading, signature):
        with refused(reason):
            bank.apply(borrower, features, reading, signature)

    not_signed = "feeds: not signed by the source"
    # It alters what the bureau signed,
    refused_for(not_signed, GOOD, true, true_signature)
    # signs for itself,
    refused_for(not_signed, GOOD, *bank.reading(borrower, GOOD, 24, own_key))
    # under a source of its own (the lender named the id, not the borrower),
    ledger.send(bank.feeds.register_source("credit bureau", Account(own_key).address), borrower)
    mine = FeedReading(2, subject_of(borrower), GOOD, ledger.time - 24)
    refused_for(not_signed, GOOD, mine, mine.signature(own_key, bank.domain))
    # shows a friend's good features,
    refused_for(not_signed, GOOD, *bank.reading(friend, GOOD, 24))
    # or its own from better days,
    refused_for("feeds: stale", GOOD, *bank.reading(borrower, GOOD, HOUR + 60))
    # or from days to come.
    refused_for("feeds: from the future", GOOD, *bank.reading(borrower, GOOD, -HOUR))
    # The truth is heard.
    request = bank.apply(borrower, TRUE, true, true_signature)
    bank.answer(request, 0)
    assert not bank.is_approved(borrower)


def test_a_borrower_who_asks_the_committee_itself_gains_nothing(ledger, bank, refused):
    borrower = ledger.accounts[4]
    kit = bank.kit
    request = kit.open(kit.terms(bank.members, input_digest=sha256(INPUT)), who=borrower)
    kit.run(request, dict.fromkeys(bank.members, 1))
    shown = replace(kit.receipt(request), consumer=bank.lender)
    with refused("lender: not asked"):
        bank.call(DECIDE + encode([ANSWER], [shown.to_abi()]), borrower)


def test_a_source_that_says_no_is_a_refusal(ledger, refused):
    code = compile_code(NAYSAYER, output_formats=["bytecode"])["bytecode"]
    naysayer = ledger.deploy(bytes.fromhex(code[2:]))
    kit = Kit(ledger)
    (alice,) = kit.staff([BOND])
    with refused("requests: features refused"):
        kit.open(kit.terms([alice], demand=FeatureDemand(naysayer, 1, bytes(32), 0)))
    with pytest.raises(Rejected):  # an account without code vouches for nothing
        kit.open(kit.terms([alice], demand=FeatureDemand(ledger.accounts[5], 1, bytes(32), 0)))


NAYSAYER = """
# pragma version 0.4.3
@external
@view
def check_features(
    source_id: uint256, subject: bytes32, features: Bytes[8192], observed_at: uint64, max_age_s: uint32,
    proof: Bytes[1024],
) -> bool:
    return False
"""
