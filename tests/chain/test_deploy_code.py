"""Code that is no packaged contract lands where it was foretold, for the gas that was foretold, or nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from anvil_node import KEYS, running_anvil

from tallystick.chain.accounts import Account
from tallystick.chain.connect import connect
from tallystick.chain.deploy_code import Code, code_address, creation_gas, deploy_codes
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.ids import create2_address

ACCOUNT = Account(bytes.fromhex(KEYS[0][2:]))
POOR = Account(b"\x09" * 32)


def _code(name: str, code: bytes) -> Code:
    """Return a contract of these bytes: PUSH2 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN, then the code."""
    return Code(name, b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80600a5f395ff3") + code, code)


ONE = _code("one", bytes.fromhex("60015f5260205ff3"))  # answers 1
TWO = _code("two", bytes.fromhex("60025f5260205ff3") + bytes(24_576 - 8))


def test_an_address_is_the_one_that_the_standard_says() -> None:
    """The fifth example of EIP-1014."""
    creator, salt = "0x00000000000000000000000000000000deadbeef", bytes.fromhex("cafebabe".rjust(64, "0"))
    found = create2_address(creator, salt, bytes.fromhex("deadbeef"))
    assert found == "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"
    with pytest.raises(InvalidInput):
        create2_address(creator, b"short", b"")


@pytest.fixture(params=["anvil", "embedded"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    """An outbox on a chain of either kind."""
    if request.param == "anvil":
        target = request.getfixturevalue("anvil").url
    else:
        target = str(tmp_path / "chain.db")
        create(Path(target), Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**21}))
    with connect(target) as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as outbox:
        yield outbox


@pytest.mark.anvil
def test_several_are_made_at_once_for_the_gas_foretold_and_found_afterwards(box: Outbox) -> None:
    placed = deploy_codes(box, [ONE, TWO, ONE])
    assert [one.address for one in placed] == [ONE.address, TWO.address, ONE.address]
    assert [one.gas_used for one in placed] == [creation_gas(ONE), creation_gas(TWO), creation_gas(ONE)]
    assert box.node.code(TWO.address) == TWO.code
    assert box.node.call(ONE.address, b"")[-1] == 1
    spent = box.node.nonce(ACCOUNT.address)
    again = deploy_codes(box, [ONE, TWO])
    assert [(one.address, one.transaction_hash, one.gas_used) for one in again] == [
        (ONE.address, None, 0), (TWO.address, None, 0),
    ]  # fmt: skip
    assert box.node.nonce(ACCOUNT.address) == spent


def test_an_account_that_cannot_pay_for_all_sends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    balances = {bytes.fromhex(ACCOUNT.address[2:]): 10**21, bytes.fromhex(POOR.address[2:]): 10**15}
    create(path, Genesis(timestamp=1_700_000_000, balances=balances))
    with connect(str(path)) as node:
        with Outbox(tmp_path / "rich.db", node, ACCOUNT) as rich:
            deploy_codes(rich, [ONE])
        with Outbox(tmp_path / "poor.db", node, POOR) as poor:
            lacking = poor.reserve(creation_gas(TWO)) - node.balance(POOR.address)
            assert lacking > 0
            with pytest.raises(Rejected) as refused:
                deploy_codes(poor, [_code("small", b"\x00"), TWO])
            assert refused.value.code == "chain.insufficient_funds"
            assert poor.history() == []
            assert node.nonce(POOR.address) == 0
            assert deploy_codes(poor, [ONE])[0].transaction_hash is None  # what is there costs nothing


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (_code("large", bytes(24_577)), "deploy.size"),
        (Code("long", bytes(49_153), b""), "deploy.size"),
        (Code("bad", b"\xfe", b"\x00"), "deploy.initcode"),
    ],
)
def test_what_no_chain_takes_is_refused_before_it_is_sent(one: Code, code: str, tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    create(path, Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**21}))
    with connect(str(path)) as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as box:
        with pytest.raises(InvalidInput) as refused:
            deploy_codes(box, [ONE, one])
        assert refused.value.code == code
        assert box.history() == []
        assert node.nonce(ACCOUNT.address) == 0


def test_a_contract_that_a_block_has_no_gas_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    funded = {bytes.fromhex(ACCOUNT.address[2:]): 10**21}
    create(path, Genesis(timestamp=1_700_000_000, balances=funded, gas_limit=5_000_000))
    with connect(str(path)) as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as box:
        with pytest.raises(InvalidInput) as refused:
            deploy_codes(box, [TWO])
        assert (refused.value.code, refused.value.got) == ("deploy.gas", creation_gas(TWO))


@pytest.mark.anvil
def test_other_code_at_the_address_is_refused(tmp_path: Path) -> None:
    with running_anvil() as anvil, connect(anvil.url) as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as box:
        anvil.rpc("anvil_setCode", code_address(ONE.initcode), "0x00")
        with pytest.raises(VerificationFailed) as refused:
            deploy_codes(box, [TWO, ONE])
        assert refused.value.got == "0x" + keccak(b"\x00").hex()
        assert box.history() == []


def test_code_that_the_initcode_does_not_make_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    create(path, Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**21}))
    with connect(str(path)) as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as box:
        lying = Code("lying", ONE.initcode, ONE.code + b"\x00")
        with pytest.raises(VerificationFailed):
            deploy_codes(box, [lying])


def test_without_an_outbox_nothing_can_be_put_anywhere() -> None:
    for none in (None, "chain.db", ACCOUNT):
        with pytest.raises(InvalidInput) as refused:
            deploy_codes(none, (ONE,))  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.expected) == ("deploy.outbox", "an Outbox")
