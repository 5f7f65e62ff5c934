"""EIP-712 digests beside eth-account's, and the one spelling of a signature."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_keys.exceptions import BadSignature, ValidationError
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import eip712
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.ids import address_of_public_key, checksum_address
from tests.core.strategies import hashes, secrets, texts

ORDER = eip712.SECP256K1_ORDER
DOMAIN = eip712.Domain("Tallystick Log", "1", 31337, checksum_address(b"\x11" * 20))

addresses = st.binary(min_size=20, max_size=20).map(checksum_address)
uint256s = st.integers(0, 2**256 - 1)
domains = st.builds(eip712.Domain, texts, texts, uint256s, addresses)
MEMBERS: dict[str, st.SearchStrategy[object]] = {
    "uint256": uint256s,
    "uint64": st.integers(0, 2**64 - 1),
    "uint8": st.integers(0, 255),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "bool": st.booleans(),
    "address": addresses,
    "bytes32": hashes,
    "bytes4": st.binary(min_size=4, max_size=4),
    "bytes": st.binary(max_size=80),
    "string": texts,
}


def _struct(kinds: list[str]) -> str:
    return f"Drawn({','.join(f'{kind} member{at}' for at, kind in enumerate(kinds))})"


def _peer_digest(domain: eip712.Domain, kinds: list[str], values: list[object]) -> bytes:
    names = [f"member{at}" for at in range(len(kinds))]
    message = encode_typed_data(
        {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.verifying_contract,
        },
        {"Drawn": [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)]},
        dict(zip(names, values, strict=True)),
    )
    return bytes(_hash_eip191_message(message))


class TestDigests:
    """What is signed equals what wallets sign."""

    @given(domains, st.lists(st.sampled_from(sorted(MEMBERS)), min_size=1, max_size=6), st.data())
    def test_the_digest_of_any_flat_struct_is_eth_accounts(
        self, domain: eip712.Domain, kinds: list[str], data: st.DataObject
    ) -> None:
        values = [data.draw(MEMBERS[kind]) for kind in kinds]
        assert eip712.typed_digest(domain, _struct(kinds), values) == _peer_digest(domain, kinds, values)

    def test_the_example_of_the_standards_domain_has_its_published_separator(self) -> None:
        domain = eip712.Domain("Ether Mail", "1", 1, "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC")
        assert domain.separator().hex() == "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"

    @pytest.mark.parametrize(
        "domain",
        [
            eip712.Domain("Tallystick Log", "1", 1, DOMAIN.verifying_contract),
            eip712.Domain("Tallystick Log", "2", 31337, DOMAIN.verifying_contract),
            eip712.Domain("Tallystick", "1", 31337, DOMAIN.verifying_contract),
            eip712.Domain("Tallystick Log", "1", 31337, checksum_address(b"\x12" * 20)),
        ],
    )
    def test_another_chain_version_name_or_contract_has_another_digest(self, domain: eip712.Domain) -> None:
        here, there = (eip712.typed_digest(where, "A(uint256 b)", [1]) for where in (DOMAIN, domain))
        assert here != there

    @pytest.mark.parametrize(
        "struct_type",
        [
            "",
            "A",
            "A()",
            "A(uint256)",
            "A(uint256 )",
            "A(uint256  b)",
            "A(uint256 b,)",
            "A(uint256[] b)",
            "A(B b)",
            "A(uint256 b)C(uint256 d)",
            "A(uint b)",
            "A(uint0 b)",
            "A(bytes0 b)",
            "1(uint256 b)",
            "A(uint256 b)\n",
            "A(tuple b)",
        ],
    )
    def test_a_type_that_is_no_flat_struct_is_refused(self, struct_type: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            eip712.struct_hash(struct_type, [1])
        assert refused.value.code == "eip712.type"

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("uint8", 256),
            ("uint256", -1),
            ("uint256", 2**256),
            ("uint256", True),
            ("uint256", 1.0),
            ("uint256", "1"),
            ("uint7", 1),
            ("int8", 128),
            ("bool", 1),
            ("bytes32", b"short"),
            ("bytes32", bytes(33)),
            ("bytes32", "0x" + "00" * 32),
            ("bytes33", bytes(33)),
            ("bytes", 5),
            ("bytes", "text"),
            ("bytes", None),
            ("string", b"bytes"),
            ("string", None),
            ("string", "\ud800"),
            ("address", "0x00"),
            ("address", b"\x00" * 20),
            ("address", "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9b"),
        ],
    )
    def test_a_value_that_does_not_fit_its_type_is_refused_and_never_padded(self, kind: str, value: object) -> None:
        with pytest.raises(InvalidInput):
            eip712.struct_hash(f"A({kind} b)", [value])

    @pytest.mark.parametrize("values", [[], [1, 2]])
    def test_too_few_or_too_many_values_are_refused(self, values: list[object]) -> None:
        with pytest.raises(InvalidInput) as refused:
            eip712.struct_hash("A(uint256 b)", values)
        assert refused.value.code == "eip712.value"

    def test_a_domain_of_a_mistyped_contract_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            eip712.Domain("a", "1", 1, "0x11").separator()


class TestSignatures:
    """65 bytes r, s, v; v 27 or 28; s low. One signature, one spelling."""

    @given(secrets, hashes)
    def test_a_signature_recovers_to_its_signer_and_is_eth_accounts(self, secret: bytes, digest: bytes) -> None:
        signature = eip712.sign_digest(secret, digest)
        signer = Account.from_key(secret)
        assert eip712.recover(digest, signature) == signer.address
        assert signature == bytes(signer.unsafe_sign_hash(digest).signature)
        assert Account._recover_hash(digest, signature=signature) == signer.address

    @given(secrets, hashes)
    def test_the_second_spelling_of_a_signature_is_refused(self, secret: bytes, digest: bytes) -> None:
        signature = eip712.sign_digest(secret, digest)
        high = ORDER - int.from_bytes(signature[32:64], "big")
        other = signature[:32] + high.to_bytes(32, "big") + bytes([55 - signature[64]])
        assert Account._recover_hash(digest, signature=other) == Account.from_key(secret).address
        with pytest.raises(VerificationFailed) as refused:
            eip712.recover(digest, other)
        assert refused.value.code == "eip712.signature"

    @pytest.mark.parametrize("v", [0, 1, 26, 29, 31, 35, 255])
    def test_v_is_27_or_28_and_nothing_else(self, v: int) -> None:
        signature = eip712.sign_digest(b"\x01" * 32, bytes(32))
        with pytest.raises(VerificationFailed):
            eip712.recover(bytes(32), signature[:64] + bytes([v]))

    @pytest.mark.parametrize("length", [0, 64, 66, 130])
    def test_another_length_is_refused(self, length: int) -> None:
        signature = (eip712.sign_digest(b"\x01" * 32, bytes(32)) * 2)[:length]
        with pytest.raises(VerificationFailed):
            eip712.recover(bytes(32), signature)

    @pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (0, 0), (ORDER, 1), (2**256 - 1, 1), (1, ORDER), (5, 1)])
    def test_numbers_that_no_signature_has_are_refused(self, r: int, s: int) -> None:
        for v in (27, 28):
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])
            with pytest.raises(VerificationFailed):
                eip712.recover(bytes(32), signature)

    @given(hashes, st.binary(max_size=70))
    def test_arbitrary_bytes_raise_nothing_but_verification_failed(self, digest: bytes, signature: bytes) -> None:
        try:
            eip712.recover(digest, signature)
        except VerificationFailed:
            pass

    @given(hashes, hashes, st.integers(1, ORDER // 2), st.sampled_from([27, 28]))
    def test_both_implementations_recover_the_same_address_or_none(
        self, digest: bytes, r: bytes, s: int, v: int
    ) -> None:
        signature = r + s.to_bytes(32, "big") + bytes([v])
        try:
            ours = eip712.recover(digest, signature)
        except VerificationFailed:
            ours = None
        try:
            theirs = Account._recover_hash(digest, signature=signature)
        except (BadSignature, ValidationError, ValueError):
            theirs = None
        assert ours == theirs

    @given(secrets, hashes, hashes)
    def test_a_signature_of_another_digest_recovers_to_someone_else(
        self, secret: bytes, one: bytes, two: bytes
    ) -> None:
        signature = eip712.sign_digest(secret, one)
        try:
            signer = eip712.recover(two, signature)
        except VerificationFailed:
            return
        assert (signer == Account.from_key(secret).address) == (one == two)

    def test_a_digest_that_is_not_32_bytes_has_no_signer(self) -> None:
        with pytest.raises(VerificationFailed):
            eip712.recover(b"short", eip712.sign_digest(b"\x01" * 32, bytes(32)))

    @given(secrets)
    def test_the_address_of_a_public_key_is_the_wallets(self, secret: bytes) -> None:
        public = PrivateKey(secret).public_key.format(compressed=False)[1:]
        assert address_of_public_key(public) == Account.from_key(secret).address
