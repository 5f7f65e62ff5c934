"""What is signed in a channel: vouchers, which the contract reads; calls and receipts, which the two parties keep.

A voucher is money: so much of the deposit is the payee's in all. A `PaidCall` says what a voucher was handed over for:
the operation, by its hash, and the most that it may cost; it has a number, so that it counts once. A `CallReceipt` is
the payee's word for what it charged and what it answered. All three are EIP-712 in the domain of the contract of
channels, so none counts on another chain or for another contract.

Their members are words of 32 bytes, so the digests are written out here instead of being encoded member by member: a
thousand calls a second need five thousand of them. `tests/agents/channels` compares them with `core.eip712`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from eth_abi.abi import encode as abi_encode

from tallystick.chain.bindings.payment_channels import Terms
from tallystick.core.digest import keccak
from tallystick.core.eip712 import Domain, Signer, recover_bytes
from tallystick.core.errors import VerificationFailed
from tallystick.core.ids import checksum_address

VOUCHER_TYPE: Final = "Voucher(bytes32 channelId,uint128 maxClaimableAmount)"
CALL_TYPE: Final = (
    "PaidCall(bytes32 channelId,uint64 number,bytes32 operation,uint128 bound,uint128 maxClaimableAmount)"
)
RECEIPT_TYPE: Final = (
    "CallReceipt(bytes32 channelId,uint64 number,bytes32 operation,uint128 charged,uint128 spent,bytes32 answer)"
)

NOBODY: Final = "0x" + "00" * 20
_TERMS_TYPES: Final = ("address", "address", "address", "uint32", "uint64", "bytes32")
_VOUCHER_HASH, _CALL_HASH, _RECEIPT_HASH = (keccak(one.encode()) for one in (VOUCHER_TYPE, CALL_TYPE, RECEIPT_TYPE))


def domain_of(chain_id: int, contract: str) -> Domain:
    """Return where vouchers, calls and receipts of the channels of a contract are valid."""
    return Domain("Tallystick PaymentChannels", "1", chain_id, contract)


@lru_cache(maxsize=4_096)  # asked for with every call, of few channels
def channel_id(terms: Terms) -> bytes:
    """Return the id of the channel of these terms: the keccak-256 of their ABI encoding."""
    return keccak(abi_encode(_TERMS_TYPES, terms.to_abi()))


def signer_of(terms: Terms) -> str:
    """Return whose key signs vouchers and calls of a channel: the authorizer's, or the payer's where there is none."""
    return terms.payer if terms.authorizer == NOBODY else terms.authorizer


def voucher_digest(domain: Domain, channel: bytes, max_amount: int) -> bytes:
    """Return what is signed for a voucher: `max_amount` of the deposit, in all."""
    return _typed(domain, _VOUCHER_HASH + channel + _word(max_amount))


@dataclass(frozen=True, slots=True)
class PaidCall:
    """One call that a voucher pays for.

    number      the payer's, unique in the channel; the same call again has the same number
    operation   the hash of what is asked for, 32 bytes
    bound       the most that it may cost
    max_amount  of the voucher that goes along
    """

    channel: bytes
    number: int
    operation: bytes
    bound: int
    max_amount: int

    def digest(self, domain: Domain) -> bytes:
        """Return what the signer of vouchers signs beside the voucher."""
        numbers = _word(self.bound) + _word(self.max_amount)
        return _typed(domain, _CALL_HASH + self.channel + _word(self.number) + self.operation + numbers)


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A call with its voucher's signature and its own, 65 bytes each."""

    call: PaidCall
    voucher: bytes
    signature: bytes

    @classmethod
    def sign(cls, call: PaidCall, domain: Domain, key: Signer, voucher: bytes | None = None) -> SignedCall:
        """Return the call signed; `voucher` is the signature of its voucher, where there is one already."""
        if voucher is None:
            voucher = key.sign(voucher_digest(domain, call.channel, call.max_amount))
        return cls(call, voucher, key.sign(call.digest(domain)))

    def check(self, domain: Domain, signer: str, *, is_voucher_known: bool = False) -> None:
        """Return if the signer signed both.

        is_voucher_known  the same voucher, byte for byte, was checked before
        raises            VerificationFailed "channel.voucher", "channel.signature", "eip712.signature"
        """
        call = self.call
        if not is_voucher_known:
            digest = voucher_digest(domain, call.channel, call.max_amount)
            _check_signer(digest, self.voucher, signer, "channel.voucher", "voucher")
        _check_signer(call.digest(domain), self.signature, signer, "channel.signature", "call")


@dataclass(frozen=True, slots=True)
class CallReceipt:
    """What the payee says of a call that it answered.

    charged  what the call cost, at most its bound
    spent    what all calls of the channel cost so far, with this one
    answer   SHA-256 of the answer's bytes
    """

    channel: bytes
    number: int
    operation: bytes
    charged: int
    spent: int
    answer: bytes

    def digest(self, domain: Domain) -> bytes:
        """Return what the payee signs."""
        numbers = _word(self.charged) + _word(self.spent)
        return _typed(
            domain, _RECEIPT_HASH + self.channel + _word(self.number) + self.operation + numbers + self.answer
        )

    def sign(self, domain: Domain, key: Signer) -> bytes:
        """Return the payee's signature, 65 bytes."""
        return key.sign(self.digest(domain))

    def check(self, call: PaidCall, domain: Domain, signature: bytes, payee: str) -> None:
        """Return if it is the payee's receipt of this call, and charges no more than the call allows.

        raises  VerificationFailed "channel.receipt", "eip712.signature"
        """
        _check_signer(self.digest(domain), signature, payee, "channel.receipt", "receipt")
        wanted = (call.channel, call.number, call.operation)
        if (self.channel, self.number, self.operation) != wanted:
            raise VerificationFailed("channel.receipt", "the receipt is of another call", expected=call.number)
        if not self.charged <= min(call.bound, self.spent):
            raise VerificationFailed(
                "channel.receipt", "the receipt charges more than the call allows",
                expected=f"≤ {call.bound}", got=self.charged, hint="keep it: the payee signed it; end the channel",
            )  # fmt: skip


def _check_signer(digest: bytes, signature: bytes, signer: str, code: str, what: str) -> None:
    found = recover_bytes(digest, signature)
    if found != bytes.fromhex(signer[2:]):
        got = checksum_address(found)
        raise VerificationFailed(code, f"the {what} is signed by another key", expected=signer, got=got)


def _typed(domain: Domain, words: bytes) -> bytes:
    return keccak(b"\x19\x01" + domain.separator() + keccak(words))


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")
