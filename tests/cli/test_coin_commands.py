"""Bonds and fees in a token, by the command line: which contract, how much it may take, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.ids import parse_address
from tallystick.lithic.artifact import Artifact
from tallystick.lithic.kernel import compile_integer
from tallystick.tally import Tally
from tests.contracts.token_kit import token_code
from tests.lithic import kernel_models

OPTIMISTIC, COMMITTEE = ("lithic", "optimistic"), ("lithic", "committee")
ASK = ("ask", "mlp.kernel.json", "--row", "10,20,30,40,50,60", "--integers")


@pytest.fixture
def token(tally: Any, workspace: Path, tmp_path: Path) -> str:
    """A token of six decimals, of which this workspace's account has two; and a model whose stages are on the chain."""
    (tmp_path / "mlp.kernel.json").write_bytes(Artifact.of(compile_integer(kernel_models.mlp())).to_bytes())
    assert tally(*OPTIMISTIC, "publish", "mlp.kernel.json")[0] == 0
    with Tally.open(workspace, lambda _: "") as opened:
        made = opened.outbox.send_and_wait(Call(None, token_code("ordinary")), key="a token")
        address = parse_address(made.contract_address)
        data = keccak(b"mint(address,uint256)")[:4] + bytes.fromhex(opened.account.address[2:]).rjust(32, b"\0")
        opened.outbox.send_and_wait(Call(address, data + (2 * 10**6).to_bytes(32)), key="two of them")
    return address


def test_a_request_is_paid_in_a_token_that_the_contract_may_take(tally: Any, token: str) -> None:
    native = tally(*OPTIMISTIC, "show")[1]["contract"]
    status, deployed = tally(*OPTIMISTIC, "deploy", "--coin", token)
    assert (status, deployed["coin"]["address"], deployed["coin"]["decimals"]) == (0, token, 6)
    assert deployed["address"] not in ("", native)
    terms = ("--bond", "1.25", "--fee", "0.5")
    status, error = tally(*OPTIMISTIC, *ASK, *terms)
    assert (status, error["code"], "--approve" in error["hint"]) == (2, "coin.allowance", True)
    status, error = tally(*OPTIMISTIC, *ASK, "--bond", "1", "--fee", "2.5", "--approve")
    assert (status, error["code"]) == (3, "coin.balance")
    status, error = tally(*OPTIMISTIC, *ASK, "--bond", "1", "--fee", "0.0000001")
    assert (status, error["code"]) == (2, "amount.decimals")
    status, asked = tally(*OPTIMISTIC, *ASK, *terms, "--approve")
    assert (status, asked["fee"], asked["bond"], asked["contract"]) == (0, "0.5", "1.25", deployed["address"])
    request = asked["request"]
    assert tally(*OPTIMISTIC, "claim", "--yes", "mlp.kernel.json", request)[1]["code"] == "coin.allowance"
    status, claimed = tally(*OPTIMISTIC, "claim", "--yes", "mlp.kernel.json", request, "--approve")
    assert (status, claimed["state"]) == (0, "claimed")
    status, found = tally(*OPTIMISTIC, "deploy")  # back to the native coin; the other is there still
    assert (status, found["address"], found["transaction"]) == (0, native, None)
    assert tally(*OPTIMISTIC, "show", request)[1]["code"] == "optimistic: unknown request"
    status, shown = tally(*OPTIMISTIC, "show", request, "--contract", deployed["address"])
    assert (status, shown["state"], shown["coin"]["address"]) == (0, "claimed", token)


def test_a_bond_is_paid_in_a_token(tally: Any, token: str, workspace: Path) -> None:
    ours = tally(*COMMITTEE, "deploy", "--coin", token)[1]["address"]
    assert tally("chain", "deploy")[1]["Committee"] == ours  # which does not lead back to the native coin
    status, error = tally(*COMMITTEE, "register", "--bond", "1")
    assert (status, error["code"]) == (2, "coin.allowance")
    assert tally(*COMMITTEE, "register", "--bond", "1", "--approve")[1]["bond"] == "1"
    with Tally.open(workspace, lambda _: "") as opened:  # too little was allowed before: some tokens want it taken back
        place = opened.lithic.committee().place
        place.coin.approve(opened.outbox, place.address, 7)
    assert tally(*COMMITTEE, "top-up", "0.5", "--approve")[1]["bond"] == "1.5"
    with Tally.open(workspace, lambda _: "") as opened:
        assert place.coin.allowance(opened.node, opened.account.address, place.address) == 0  # nothing is left over
    assert tally(*COMMITTEE, "top-up", "0.75", "--approve")[1]["code"] == "coin.balance"
    listed = tally(*COMMITTEE, "providers")[1]
    assert (listed["coin"]["address"], listed["providers"][0]["bond"]) == (token, "1.5")


def test_what_is_no_token_is_no_coin(tally: Any, token: str) -> None:
    registry = tally("chain", "deploy")[1]["ModelRegistry"]
    status, error = tally(*COMMITTEE, "deploy", "--coin", registry)
    assert (status, error["code"]) == (2, "coin.decimals")
