"""`tally lithic committee`: a provider joins, is asked, answers and is paid, by the command line; refusals in words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.chain.accounts import Account
from tallystick.cli.main import run
from tallystick.core.digest import sha256
from tallystick.lithic.artifact import Artifact
from tallystick.lithic.committee.journal import Journal
from tallystick.lithic.committee.provider import Answerer, Provider, Service
from tallystick.lithic.kernel import compile_integer
from tallystick.services.lithic_node.answerers import FunctionAnswerer, KernelAnswerer
from tallystick.tally import Tally
from tests.lithic import kernel_models

VERB = ("lithic", "committee")
MODEL = sha256(b"a model").hex()
ROW = "10,20,30,40,50,60"
ASKED = ("request", MODEL, "--text", "41", "--kind", "number", "--high", "100", "--fee", "0.002", "--stake", "0.1")


def answer(folder: Path, service: Service, model: str = MODEL, steps: int = 12) -> None:
    """Let this workspace's provider do what is due, as a node in this process."""
    with Tally.open(folder / ".tally", lambda _: "") as opened, Journal(folder / ".tally" / "committee") as journal:
        desk = opened.lithic.committee()
        provider = Provider(
            desk.contract, opened.outbox, Account(opened.secret("answers").reveal()), journal,
            {bytes.fromhex(model): service}, clock=time.time, first_block=desk.place.first_block,
        )  # fmt: skip
        for _ in range(steps):
            if any(done.deed == "over" for done in provider.step()):
                return


@pytest.fixture
def provider(tally: Any, workspace: Path) -> str:
    """This workspace's account as a provider that offers MODEL for 0.001 coins."""
    status, said = tally(*VERB, "register", "--bond", "0.5")
    assert (status, said["bond"], said["offers"]) == (0, "0.5", [])
    status, said = tally(*VERB, "offer", MODEL, "--fee", "0.001")
    assert (status, said["offers"][0]["fee"]) == (0, "0.001")
    return str(said["provider"])


def service(answerer: Answerer) -> Service:
    return Service(answerer, cost=10**15, stake_max=10**18)


def test_who_names_no_members_is_told_that_nobody_vouches_for_them(
    provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for named, is_told in ((), True), (("--member", provider), False):
        capsys.readouterr()
        assert run([*VERB, *ASKED, *named]) == 0
        assert ("one person many times" in capsys.readouterr().err) is is_told


def test_a_provider_joins_is_asked_answers_and_is_paid(tally: Any, provider: str, tmp_path: Path) -> None:
    (listed,) = tally(*VERB, "providers", "--model", MODEL)[1]["providers"]
    assert (listed["provider"], listed["bond"], listed["offers"][0]["model_digest"]) == (provider, "0.5", MODEL)
    assert tally(*VERB, "providers", "--model", "11" * 32)[1]["providers"] == []
    status, asked = tally(*VERB, *ASKED, "--nonce", "7")
    assert (status, asked["state"], asked["fee"], asked["threshold"]) == (0, "commits", "0.002", 1)
    assert [member["provider"] for member in asked["members"]] == [provider]
    request = asked["request"]
    assert tally(*VERB, *ASKED, "--nonce", "7")[1]["request"] == request  # said once
    status, error = tally(*VERB, "settle", request)
    assert (status, error["code"], "show" in error["hint"]) == (3, "rounds: not over", True)
    answer(tmp_path, service(FunctionAnswerer(lambda terms, data: int(data) + 1)))
    status, shown = tally(*VERB, "show", request)
    assert (status, shown["state"], shown["output"], shown["cost"]) == (0, "fulfilled", "42", "0.001")
    assert (shown["members"][0]["output"], shown["members"][0]["cost"]) == ("42", "0.001")
    assert tally(*VERB, "settle", request)[1]["state"] == "fulfilled"  # it is so already
    status, collected = tally(*VERB, "collect")
    assert (status, collected["collected"]) == (0, "0.002")  # what was earned, and what was not spent
    assert tally(*VERB, "collect")[1]["collected"] == "0"
    assert tally(*VERB, "show", "last")[1]["request"] == request
    assert [one["request"] for one in tally(*VERB, "show")[1]["requests"]] == [request]


def test_a_bond_grows_and_leaves_in_its_time(tally: Any, provider: str) -> None:
    assert tally(*VERB, "top-up", "0.25")[1]["bond"] == "0.75"
    assert tally(*VERB, "withdraw-bond")[1]["code"] == "providers: nothing to withdraw"
    assert tally(*VERB, "announce-withdrawal", "0.7")[1]["leaving"] == "0.7"
    status, error = tally(*VERB, "withdraw-bond")
    assert (status, error["code"], "seven days" in error["hint"]) == (3, "providers: too early", True)
    assert tally(*VERB, "announce-withdrawal", "0.1")[1]["code"] == "providers: bond too low"
    status, error = tally(*VERB, *ASKED)  # what is left does not reach for the stake
    assert (status, error["code"]) == (2, "committee.members")
    assert tally(*VERB, "end-offer", MODEL)[1]["offers"] == []
    assert tally(*VERB, "end-offer", MODEL)[0] == 0  # it is so already
    assert tally(*VERB, "providers", "--model", MODEL)[1]["providers"] == []


def test_a_provider_that_registers_again_pays_nothing_and_may_sign_with_another_key(tally: Any, provider: str) -> None:
    before = tally(*VERB, "providers")[1]["providers"][0]
    assert tally(*VERB, "register", "--bond", "0.5")[1]["bond"] == "0.5"
    status, said = tally(*VERB, "register", "--key", "others")
    assert (status, said["bond"], said["signer"] != before["signer"]) == (0, "0.5", True)
    status, error = tally(*VERB, "register")  # a key has one term
    assert (status, error["code"], "--key" in error["hint"]) == (3, "providers: key already used", True)


def test_a_kernels_answers_are_judged_by_the_kernel(tally: Any, provider: str, tmp_path: Path) -> None:
    made = compile_integer(kernel_models.mlp())
    path = tmp_path / "mlp.kernel.json"
    path.write_bytes(Artifact.of(made).to_bytes())
    kernel = tally("lithic", "model", "deploy", path.name)[1]["kernel"]
    assert tally(*VERB, "offer", path.name, "--kernel", kernel)[1]["offers"][0]["kernel"] == kernel
    asked = ("request", path.name, "--row", ROW, "--integers", "--high", "2", "--fee", "0.01", "--stake", "0.1")
    right = made.predict((10, 20, 30, 40, 50, 60))[0]
    outcomes = []
    for told in (KernelAnswerer(made), FunctionAnswerer(lambda terms, data: (right + 1) % 3)):
        request = tally(*VERB, *asked, "--kernel", kernel)[1]["request"]
        conditions = Service(told, cost=0, stake_max=10**18, kernel=kernel)
        answer(tmp_path, conditions, made.digest.hex())
        outcomes.append(tally(*VERB, "contradict", request)[1]["contradicted"])
        assert tally(*VERB, "contradict", request)[1]["contradicted"] == []
    assert outcomes == [[], [provider]]
    shown = tally(*VERB, "show", request)[1]
    assert shown["members"][0]["is_slashed"]
    status, error = tally(*VERB, "contradict", tally(*VERB, *asked)[1]["request"])
    assert (status, error["code"]) == (2, "committee.kernel")


REFUSED = (
    (("show", "xyz"), 2, "cli.request"),
    (("show", "last"), 2, "request.none"),
    (("show", "11" * 32), 3, "requests: unknown request"),
    (("settle", "11" * 32), 3, "requests: unknown request"),
    (("top-up", "1"), 3, "providers: unknown provider"),
    (("top-up", "-1"), 2, "cli.usage"),
    (("announce-withdrawal", "1"), 3, "providers: bond too low"),
    (("offer", MODEL, "--fee", "0.1"), 3, "providers: unknown provider"),
    (("offer", "no such model"), 2, "files.missing"),
    (("offer", MODEL, "--kernel", "0x12"), 2, "address.form"),
    (("register", "--bond", "9" * 12), 3, "chain.insufficient_funds"),
    (("register", "--bond", "0.1 coins"), 2, "amount.form"),
    (("providers", "--contract", "0x" + "22" * 20), 2, "chain.no_contract"),
    (("deploy", "--coin", "0x" + "22" * 20), 2, "chain.no_contract"),
    (ASKED, 2, "committee.members"),
    ((*ASKED, "--row", ROW), 2, "cli.input"),
    (("request", MODEL, "--row", ROW, "--high", "1", "--fee", "0"), 2, "cli.input"),
    (("request", "missing.json", "--text", "41", "--high", "1", "--fee", "0"), 2, "files.missing"),
    ((*ASKED, "--member", "0x" + "22" * 20), 3, "requests: no such offer"),
    ((*ASKED, "--low", "1.5"), 2, "document.decimal"),
    ((*ASKED, "--commit", "soon"), 2, "cli.usage"),
    ((*ASKED, "--nonce", "first"), 2, "document.decimal"),
)


def test_what_cannot_be_is_refused_in_words(tally: Any, workspace: Path) -> None:
    for arguments, status, code in REFUSED:
        found, error = tally(*VERB, *arguments)
        assert (found, error["code"]) == (status, code), (arguments, error)
        assert error["hint"] or status == 2, error


def test_terms_that_the_contract_refuses_are_refused_in_its_words(tally: Any, provider: str) -> None:
    for options, code in (
        (("--low", "101"), "requests: bad bounds"),
        (("--threshold", "2"), "requests: bad threshold"),
        (("--reveal", "10s"), "requests: bad duration"),
        (("--member", provider, "--member", provider), "requests: named twice"),
        (("--member", provider, "--fee", "0.0001"), "requests: no such offer"),
    ):
        status, error = tally(*VERB, *ASKED, *options)
        assert (status, error["code"], bool(error["hint"])) == (3, code, True), error


def test_another_chains_contract_is_not_taken_for_ours(tally: Any, workspace: Path, tmp_path: Path) -> None:
    other = tally("lithic", "optimistic", "show")[1]["contract"]
    status, error = tally(*VERB, "show", "--contract", other)
    assert (status, error["code"]) == (5, "deploy.code")


def test_people_read_what_comes_next(tally: Any, provider: str, capsys: pytest.CaptureFixture[str]) -> None:
    request = tally(*VERB, *ASKED)[1]["request"]
    capsys.readouterr()
    leave = ("announce-withdrawal", "0.1")
    for arguments in (("show",), ("show", "last"), ("providers",), ("collect",), ("offer", MODEL, "--fee", "2"), leave):
        assert run([*VERB, *arguments]) == 0
    printed = capsys.readouterr().out
    for words in (
        request,
        provider,
        "0 of 1 committed; the last may in ",
        "silent so far",
        "for 0.001",
        "collected 0",
        f"{MODEL} for 2",
        "0.1, to be taken in ",
    ):
        assert words in printed
