"""What a contract settles, a provider signs and a consumer shows: an `AssuredAnswer`, one form for every mode.

It is EIP-712, in the domain of one contract on one chain, so it counts for one request and nowhere else. A committee's
member signs it with the cost of its own answer; the receipt of the settled answer has the cost of all. The log's
`Receipt` is another thing: that proves that an entry is in a log. Next: `receipt.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from eth_abi.abi import encode as abi_encode

from tallystick.core import documents, eip712
from tallystick.core.digest import check_digest, keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

DOMAIN_NAME = "Tallystick Assurance"
DOMAIN_VERSION = "1"
ANSWER_TYPE = (
    "AssuredAnswer(bytes32 requestId,address consumer,bytes32 modelDigest,bytes32 inputDigest,bytes output,"
    "uint8 mode,uint256 cost,uint64 deadline,uint256 nonce)"
)
KEY_TYPE = "ProviderKey(address provider)"

_WORD_MIN, _WORD_MAX = -(2**255), 2**255 - 1
_OUTPUT_WORDS_MAX = 256  # as many numbers as a kernel answers with


class Mode(IntEnum):
    """How an answer is assured. PROOF has an interface, IAnswerProof.vyi, and is not offered."""

    DIRECT = 1
    OPTIMISTIC = 2
    COMMITTEE = 3
    PROOF = 4


def assurance_domain(chain_id: int, contract: str) -> eip712.Domain:
    """Return the EIP-712 domain of answers that the contract at this address keeps."""
    return eip712.Domain(DOMAIN_NAME, DOMAIN_VERSION, chain_id, contract)


def key_digest(provider: str, domain: eip712.Domain) -> bytes:
    """Return what a signing key signs to say that it is this provider's."""
    return eip712.typed_digest(domain, KEY_TYPE, (provider,))


def commitment(digest: bytes, provider: str, salt: bytes) -> bytes:
    """Return what a provider commits to before it reveals the answer of this digest; it names its maker."""
    values = (check_digest(digest), parse_address(provider), check_digest(salt, "salt"))
    return keccak(abi_encode(["bytes32", "address", "bytes32"], values))


@dataclass(frozen=True)
class AssuredAnswer:
    """The answer `output` to one request. Digests are SHA-256, cost is in the contract's coin, deadline in seconds."""

    request_id: bytes
    consumer: str
    model_digest: bytes
    input_digest: bytes
    output: tuple[int, ...]
    mode: Mode
    cost: int
    deadline: int
    nonce: int

    def digest(self, domain: eip712.Domain) -> bytes:
        """Return the EIP-712 digest that is signed; raises InvalidInput "eip712.value", "answer.output"."""
        return eip712.typed_digest(domain, ANSWER_TYPE, self.to_abi())

    def signature(self, secret: bytes, domain: eip712.Domain) -> bytes:
        """Return the 65-byte signature by the secp256k1 key `secret`."""
        return eip712.sign_digest(secret, self.digest(domain))

    def to_abi(self) -> tuple[object, ...]:
        """Return the values in order, ready to be encoded for a contract."""
        return (
            self.request_id,
            self.consumer,
            self.model_digest,
            self.input_digest,
            output_bytes(self.output),
            int(self.mode),
            self.cost,
            self.deadline,
            self.nonce,
        )

    def to_dict(self) -> dict[str, object]:
        """Return the answer as JSON members: bytes in hex, large integers in decimal."""
        return {
            "consumer": self.consumer,
            "cost": str(self.cost),
            "deadline": self.deadline,
            "input_digest": self.input_digest.hex(),
            "mode": int(self.mode),
            "model_digest": self.model_digest.hex(),
            "nonce": str(self.nonce),
            "output": [str(word) for word in self.output],
            "request_id": self.request_id.hex(),
        }

    @classmethod
    def from_dict(cls, value: object) -> AssuredAnswer:
        """Read an answer without checking it; raises InvalidInput when malformed, "answer.mode" for mode 4."""
        names = (
            "consumer", "cost", "deadline", "input_digest", "mode", "model_digest", "nonce", "output", "request_id",
        )  # fmt: skip
        found = documents.members(value, "answer", names)
        return cls(
            documents.digest(found["request_id"], "request_id"),
            parse_address(found["consumer"]),
            documents.digest(found["model_digest"], "model_digest"),
            documents.digest(found["input_digest"], "input_digest"),
            tuple(signed_decimal(one, "output") for one in documents.listed(found["output"], "output", 256)),
            _offered(documents.integer(found["mode"], "mode", min(Mode), max(Mode))),
            documents.decimal(found["cost"], "cost"),
            documents.integer(found["deadline"], "deadline"),
            documents.decimal(found["nonce"], "nonce"),
        )


def output_bytes(output: tuple[int, ...]) -> bytes:
    """Return the words of an output, one after the other: what the signed form holds.

    raises  InvalidInput "answer.output"
    """
    if not 0 < len(output) <= _OUTPUT_WORDS_MAX or not all(_WORD_MIN <= word <= _WORD_MAX for word in output):
        raise InvalidInput("answer.output", "not an output", expected=f"1 to {_OUTPUT_WORDS_MAX} numbers of 256 bits")
    return b"".join(word.to_bytes(32, "big", signed=True) for word in output)


def _offered(mode: int) -> Mode:
    if mode == Mode.PROOF:
        raise InvalidInput("answer.mode", "answers by proof are not offered", expected="mode 1, 2 or 3", got=mode)
    return Mode(mode)


def signed_decimal(value: object, what: str) -> int:
    """Return the integer of 256 bits that `value` writes in plain decimal, with a minus where it is negative.

    raises  InvalidInput "document.decimal" and those of `documents.text`
    """
    found = documents.text(value, what, 79)
    size = documents.decimal(found.removeprefix("-"), what, 2**255)
    number = -size if found.startswith("-") else size
    if not _WORD_MIN <= number <= _WORD_MAX or found == "-0":
        raise InvalidInput("document.decimal", f"{what} is not a plain decimal number", got=found)
    return number
