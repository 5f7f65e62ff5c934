"""What tests of the committee share: providers with keys, requests with terms, answers with salts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eth_abi.abi import encode

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import Committee, Terms
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core.digest import sha256
from tallystick.core.eip712 import sign_digest
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.request import NO_DEMAND, NOBODY, ask_terms, request_id
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode, assurance_domain, commitment, key_digest

MODEL = sha256(b"a model")
INPUT = b"\x01\x02\x03"
FEE = 1_000
STAKE = 5_000
BOND = 100_000
COMMIT_S, REVEAL_S = 600, 600
PURSE = 10**12  # of a token, that every account has and lets a committee take

# A kernel that answers two numbers: what the test says, then 7.
KERNEL = """
# pragma version 0.4.3
answer: public(int256)

@external
def set(answer: int256):
    self.answer = answer

@external
@view
def predict(data: Bytes[8192]) -> DynArray[int256, 256]:
    assert len(data) != 0, "kernel: malformed input"
    return [self.answer, 7]
"""


def key_proof(secret, provider, domain):
    """Return the signature by which a signing key says that it is this provider's."""
    return sign_digest(secret, key_digest(provider, domain))


@dataclass(frozen=True)
class Answered:
    """An answer as its maker keeps it until the reveal."""

    provider: str
    output: int
    cost: int
    salt: bytes
    digest: bytes
    signature: bytes

    @property
    def commitment(self) -> bytes:
        return commitment(self.digest, self.provider, self.salt)


class Kit:
    """A committee on a ledger; providers are accounts of the ledger, each with a signing key beside its account.

    token  the one that it counts in, of which every account then has a purse; None for the native coin
    """

    def __init__(self, ledger, token=None):
        self.ledger, self.token = ledger, token
        self.coin = token.address if token else NOBODY
        code = artifact("Committee").bytecode + encode(["address"], [self.coin])
        self.contract = Committee(ledger, ledger.deploy(code))
        self.domain = assurance_domain(ledger.chain_id, self.contract.address)
        self.keys = {}
        if token:
            for who in ledger.accounts:
                token.give(who, PURSE, self.contract.address)

    def value(self, amount):
        """Return what goes along with a call that takes so much."""
        return 0 if self.token else amount

    def held(self, account=None):
        """Return how much of its coin an account has, the committee by default."""
        account = account or self.contract.address
        return self.token.balance_of(account) if self.token else self.ledger.node.balance(account)

    def send(self, call, who):
        return self.ledger.send(call, who)

    def key(self, who, number=0):
        """Return a signing key that only `who` has."""
        return sha256(f"{self.contract.address} {who} {number}".encode())

    def wait_until(self, time):
        """Let the chain's own time be `time`: a view is asked at the time of the newest block."""
        self.ledger.time = max(self.ledger.time, time)
        self.send(Call(self.ledger.accounts[7], b""), self.ledger.accounts[7])

    def register(self, who, bond=BOND, number=0):
        secret = self.keys[who] = self.key(who, number)
        signer = Account(secret).address
        proof = key_proof(secret, who, self.domain)
        return self.send(self.contract.register(signer, proof, bond, value=self.value(bond)), who)

    def offer(self, who, fee_min=FEE, kernel=NOBODY, model=MODEL):
        return self.send(self.contract.offer_model(model, fee_min, kernel), who)

    def staff(self, bonds):
        """Register and offer, each with its bond; return the providers."""
        people = self.ledger.accounts[1 : 1 + len(bonds)]
        for who, bond in zip(people, bonds, strict=True):
            self.register(who, bond)
            self.offer(who)
        return people

    def terms(self, members, **changes):
        plain = Terms(
            model_digest=MODEL, input_digest=sha256(INPUT), demand=NO_DEMAND, kernel=NOBODY, output_index=0,
            kind=int(OutputKind.LABEL), low=0, high=9, tolerance=0, members=tuple(members), threshold=len(members),
            fee=FEE, stake=STAKE, commit_s=COMMIT_S, reveal_s=REVEAL_S,
        )  # fmt: skip
        return replace(plain, **changes)

    def opening(self, terms, nonce=0, *, data=INPUT, value=None, observed_at=0, proof=b""):
        value = self.value(terms.fee * len(terms.members)) if value is None else value
        return self.contract.ask(nonce, ask_terms(terms, observed_at=observed_at, proof=proof), data, value=value)

    def open(self, terms, nonce=0, who=None):
        who = who or self.ledger.accounts[0]
        self.send(self.opening(terms, nonce), who)
        return request_id(self.ledger.chain_id, self.contract.address, who, nonce, terms)

    def answer(self, request, who, output, cost=FEE, salt=b"s" * 32, secret=None):
        state, terms = self.contract.request_at(request), self.contract.terms_of(request)
        made = AssuredAnswer(
            request, state.consumer, terms.model_digest, terms.input_digest, (output,), Mode.COMMITTEE, cost,
            state.reveal_until, state.nonce,
        )  # fmt: skip
        digest = made.digest(self.domain)
        return Answered(who, output, cost, salt, digest, made.signature(secret or self.keys[who], self.domain))

    def commit(self, request, answered, who=None):
        return self.send(self.contract.commit(request, answered.commitment), who or answered.provider)

    def revealing(self, request, answered):
        a = answered
        return self.contract.reveal(request, a.provider, a.output, a.cost, a.salt, a.signature)

    def reveal(self, request, answered):
        return self.send(self.revealing(request, answered), answered.provider)

    def settle(self, request, who=None):
        return self.send(self.contract.settle(request), who or self.ledger.accounts[0])

    def run(self, request, outputs):
        """Let each provider commit and reveal its output, then settle; return what settling did."""
        answers = [self.answer(request, who, output) for who, output in outputs.items()]
        for answered in answers:
            self.commit(request, answered)
        state, terms = self.contract.request_at(request), self.contract.terms_of(request)
        if len(answers) < len(terms.members):
            self.wait_until(state.commit_until + 1)
        for answered in answers:
            self.reveal(request, answered)
        return self.settle(request)

    def receipt(self, request):
        """Return the receipt of a settled answer, as a consumer shows it."""
        from tallystick.chain.bindings.committee import AssuredAnswer as Form

        state, terms = self.contract.request_at(request), self.contract.terms_of(request)
        output = state.output.to_bytes(32, "big", signed=True)
        return Form(
            request, state.consumer, terms.model_digest, terms.input_digest, output, int(Mode.COMMITTEE), state.cost,
            state.reveal_until, state.nonce,
        )  # fmt: skip
