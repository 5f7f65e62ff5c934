"""Contracts land where their code says, on every chain, once, and what is there is what was meant."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from anvil_node import KEYS, Anvil, running_anvil
from eth_account import Account as Peer
from hypothesis import given
from hypothesis import strategies as st

from tallystick.chain.accounts import Account
from tallystick.chain.coin import NATIVE
from tallystick.chain.connect import connect
from tallystick.chain.deploy import (
    PROXY,
    PROXY_CODE,
    PROXY_COST_WEI,
    PROXY_DEPLOYER,
    PROXY_TRANSACTION,
    address_for,
    check_code,
    deploy,
    find_birth,
    has_coin,
    install_proxy,
    read_coin_of,
    takes_arguments,
)
from tallystick.chain.deployments import Deployment, load_deployments, record_deployment
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.outbox import Outbox
from tallystick.contracts import artifact, names
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tests.contracts.constructors import arguments_of, immutables_of

ACCOUNT = Account(bytes.fromhex(KEYS[0][2:]))
SALT = b"\x01" * 32
GENESIS = bytes(range(32))
ONE = Deployment("ModelRegistry", "0x" + "00" * 20, SALT, "ab" * 32, b"\x02" * 32, 7)


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


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[tuple[Anvil, Outbox]]:
    """An outbox on a chain that lacks the deployment proxy."""
    with (
        running_anvil("--disable-default-create2-deployer") as anvil,
        connect(anvil.url) as node,
        Outbox(tmp_path / "outbox.db", node, ACCOUNT) as outbox,
    ):
        assert not node.code(PROXY)
        yield anvil, outbox


@pytest.mark.parametrize("name", names())
def test_every_packaged_contract_deploys_where_it_was_foretold(box: Outbox, name: str) -> None:
    arguments = arguments_of(name)
    made = deploy(box, name, arguments=arguments)
    assert made.address == address_for(name, arguments=arguments)
    assert box.node.code(made.address) == artifact(name).runtime_bytecode + immutables_of(name)
    assert made.block_number == find_birth(box.node, made.address)


def test_a_contract_that_holds_money_is_another_in_another_coin(box: Outbox) -> None:
    token = deploy(box, "ModelRegistry").address  # any code will do
    assert has_coin("Committee")
    assert not has_coin("ModelRegistry")
    assert (has_coin("Token"), takes_arguments("Token"), takes_arguments("ModelRegistry")) == (False, True, False)
    assert address_for("Committee", arguments=[token]) != address_for("Committee", arguments=[NATIVE])
    made = deploy(box, "Committee", arguments=[token])
    assert read_coin_of(box.node, made.address) == token
    assert read_coin_of(box.node, token) == NATIVE  # it knows of no coin
    with pytest.raises(Rejected) as refused:
        deploy(box, "Committee", arguments=[ACCOUNT.address])
    assert refused.value.code == "chain.reverted"  # the proxy swallows the reason
    with pytest.raises(InvalidInput):
        address_for("Committee")


def test_deploying_twice_is_finding_once(box: Outbox) -> None:
    first = deploy(box, "ModelRegistry", salt=SALT)
    spent = box.node.nonce(ACCOUNT.address)
    again = deploy(box, "ModelRegistry", salt=SALT)
    assert box.node.nonce(ACCOUNT.address) == spent
    assert again == dataclasses.replace(first, transaction_hash=None)


def test_another_salt_is_another_instance() -> None:
    assert address_for("ModelRegistry") != address_for("ModelRegistry", salt=SALT)
    with pytest.raises(InvalidInput):
        address_for("ModelRegistry", salt=b"short")
    with pytest.raises(InvalidInput):
        address_for("ModelRegistry", arguments=(1,))
    with pytest.raises(InvalidInput):
        address_for("NoSuchContract")


def test_the_proxys_transaction_is_the_published_one() -> None:
    assert Peer.recover_transaction(PROXY_TRANSACTION) == PROXY_DEPLOYER


def test_the_proxy_is_paid_for_and_installed_where_it_is_absent(bare: tuple[Anvil, Outbox]) -> None:
    _, box = bare
    install_proxy(box)
    assert box.node.code(PROXY) == PROXY_CODE
    spent = box.node.nonce(ACCOUNT.address)
    install_proxy(box)
    assert box.node.nonce(ACCOUNT.address) == spent == 1
    assert box.history()[0].call.value == PROXY_COST_WEI
    assert deploy(box, "LogAnchor").address == address_for("LogAnchor")


def test_a_proxy_half_paid_for_is_paid_the_rest(bare: tuple[Anvil, Outbox]) -> None:
    anvil, box = bare
    anvil.rpc("anvil_setBalance", PROXY_DEPLOYER, hex(10**15))
    install_proxy(box)
    assert box.history()[0].call.value == PROXY_COST_WEI - 10**15


def test_other_code_at_the_proxys_address_is_refused(bare: tuple[Anvil, Outbox]) -> None:
    anvil, box = bare
    anvil.rpc("anvil_setCode", PROXY, "0x00")
    with pytest.raises(VerificationFailed):
        deploy(box, "ModelRegistry")
    assert box.history() == []


def test_other_code_at_a_contracts_address_is_refused(bare: tuple[Anvil, Outbox]) -> None:
    anvil, box = bare
    code = artifact("ModelRegistry").runtime_bytecode
    for forged in (code[:-1] + b"\x00", code + b"\x00", b"\x00"):
        anvil.rpc("anvil_setCode", address_for("ModelRegistry"), "0x" + forged.hex())
        with pytest.raises(VerificationFailed):
            deploy(box, "ModelRegistry")
    with pytest.raises(InvalidInput):
        check_code(box.node, "ModelRegistry", ACCOUNT.address)


def test_an_account_without_money_deploys_nothing(box: Outbox, tmp_path: Path) -> None:
    with Outbox(tmp_path / "poor.db", box.node, Account(b"\x09" * 32)) as poor, pytest.raises(Rejected) as refused:
        deploy(poor, "ModelRegistry", salt=b"\x02" * 32)
    assert refused.value.code == "chain.insufficient_funds"


def test_what_is_recorded_is_loaded_again(tmp_path: Path) -> None:
    record_deployment(tmp_path, 5, GENESIS, ONE)
    recorded = record_deployment(tmp_path, 5, GENESIS, dataclasses.replace(ONE, contract="LogAnchor"))
    assert load_deployments(tmp_path, 5, GENESIS) == recorded
    assert recorded["ModelRegistry"] == ONE
    assert load_deployments(tmp_path, 6, GENESIS).contracts == {}
    with pytest.raises(InvalidInput, match="not recorded"):
        assert recorded["Nothing"]


def test_a_record_keeps_the_transaction_it_knew(tmp_path: Path) -> None:
    record_deployment(tmp_path, 5, GENESIS, ONE)
    found = dataclasses.replace(ONE, transaction_hash=None, block_number=0)
    assert record_deployment(tmp_path, 5, GENESIS, found)["ModelRegistry"] == ONE
    moved = dataclasses.replace(found, address="0x" + "11" * 20)
    assert record_deployment(tmp_path, 5, GENESIS, moved)["ModelRegistry"] == moved


def test_a_record_of_another_chain_with_the_same_id_is_refused(tmp_path: Path) -> None:
    record_deployment(tmp_path, 5, GENESIS, ONE)
    with pytest.raises(InvalidInput) as refused:
        load_deployments(tmp_path, 5, bytes(32))
    assert refused.value.code == "deployments.other_chain"


@given(data=st.data())
def test_a_damaged_record_is_read_or_refused_by_one_of_our_errors(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("record")
    record_deployment(folder, 5, GENESIS, ONE)
    path = folder / "5.json"
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 40)) :])
    with contextlib.suppress(InvalidInput):
        load_deployments(folder, 5, GENESIS)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"chain_id": 5}', b'{"chain_id": 6}', b"[" * 9_000, b"\xff"])
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "5.json").write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        load_deployments(tmp_path, 5, GENESIS)
    assert refused.value.code == "deployments.form"
