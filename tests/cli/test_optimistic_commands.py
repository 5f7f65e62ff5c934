"""`tally lithic optimistic`: answers under bond by the command line; what is wrong falls, what cannot be is refused."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.chain.bindings.optimistic_model import Requested
from tallystick.cli.assurance_door import HINTS
from tallystick.cli.main import run
from tallystick.lithic.artifact import Artifact
from tallystick.lithic.kernel import compile_integer
from tallystick.tally import Tally
from tests.lithic import kernel_models

ROW = "10,20,30,40,50,60"
VERB = ("lithic", "optimistic")


@pytest.fixture
def kernel(tally: Any, workspace: Path, tmp_path: Path) -> Any:
    """The file of a small network, whose stages are on the chain."""
    made = compile_integer(kernel_models.mlp())
    (tmp_path / "mlp.kernel.json").write_bytes(Artifact.of(made).to_bytes())
    status, published = tally(*VERB, "publish", "mlp.kernel.json")
    assert (status, published["gas_used"] > 0, published["model_digest"]) == (0, True, made.digest.hex())
    assert tally(*VERB, "publish", "mlp.kernel.json")[1]["gas_used"] == 0
    return made


def ask(tally: Any, *options: str, **spans: str) -> str:
    """Ask for the answer to ROW; return the request's id."""
    terms = ("--bond", "0.5", "--window", spans.get("window", "1h"), "--patience", spans.get("patience", "1h"))
    status, asked = tally(*VERB, "ask", "mlp.kernel.json", "--row", ROW, "--integers", *terms, *options)
    assert status == 0, asked
    return str(asked["request"])


def lie(folder: Path, kernel: Any, request: str, passphrase: str = "") -> None:
    """Claim an answer whose last number is wrong."""
    with Tally.open(folder / ".tally", lambda _: passphrase) as opened:
        desk = opened.lithic.optimistic()
        asked = desk.find(bytes.fromhex(request)).requested.asked
        right = desk._of(kernel).right(bytes.fromhex(request))
        told = replace(right, vectors=(*right.vectors[:-1], (*right.answer[:-1], right.answer[-1] + 1)))
        call = desk.contract.claim(asked, told.hashes, told.answer, value=desk.place.value(asked.bond))
        opened.outbox.send_and_wait(call, key=f"lie about {request} {time.monotonic()}")


def test_an_answer_is_asked_claimed_watched_settled_and_paid(tally: Any, kernel: Any) -> None:
    request = ask(tally, "--fee", "0.001", "--key", "one", window="2s")
    assert ask(tally, "--fee", "0.001", "--key", "one", window="2s") == request  # said once
    status, shown = tally(*VERB, "show", request)
    assert (status, shown["state"], shown["fee"], shown["bond"]) == (0, "open", "0.001", "0.5")
    assert "fee can go back in 59 min" in shown["next"] or "fee can go back in 1 h" in shown["next"]
    status, error = tally(*VERB, "claim", "mlp.kernel.json", request)  # nobody said yes to a stranger's bond
    assert (status, error["code"], "Put up 0.5 for 2 s or longer, to earn 0.001?" in error["message"]) == (
        2, "cli.usage", True,
    )  # fmt: skip
    status, claimed = tally(*VERB, "claim", "--yes", "mlp.kernel.json", request)
    answer = [str(number) for number in kernel.predict((10, 20, 30, 40, 50, 60))]
    assert (status, claimed["state"], claimed["answer"]) == (0, "claimed", answer)
    assert tally(*VERB, "refute", "mlp.kernel.json", request)[1] == {"request": request, "refuted": False}
    status, looked = tally(*VERB, "watch", "mlp.kernel.json", "--once")
    assert (status, looked["wrong_standing"], [one["deed"] for one in looked["seen"]]) == (0, 0, ["right"])
    status, early = tally(*VERB, "settle", request)
    if status:  # a slow machine may be past the window already
        assert (status, early["code"], "show" in early["hint"]) == (3, "optimistic: too early", True)
    time.sleep(2.5)
    status, settled = tally(*VERB, "settle", request)
    assert (status, settled["state"], settled["next"]) == (0, "final", "over: the answer is final")
    assert tally(*VERB, "settle", request)[0] == 0  # it is so already
    status, collected = tally(*VERB, "collect")
    assert (status, collected["collected"], collected["coin"]["decimals"]) == (0, "0.501", 18)
    assert tally(*VERB, "collect")[1]["collected"] == "0"
    assert tally(*VERB, "show", "last")[1]["request"] == request
    (listed,) = tally(*VERB, "show")[1]["requests"]
    assert (listed["request"], listed["state"]) == (request, "final")


def test_a_wrong_claim_is_refuted_by_a_watcher_and_by_hand(tally: Any, kernel: Any, tmp_path: Path) -> None:
    first, second = ask(tally), ask(tally)
    lie(tmp_path, kernel, first)
    watching = (*VERB, "watch", "mlp.kernel.json", "--once", "--min-bond")
    assert [one["deed"] for one in tally(*watching, "0.51")[1]["seen"]] == ["left"]
    assert tally(*watching, "little")[1]["code"] == "amount.form"
    status, looked = tally(*VERB, "watch", "mlp.kernel.json", "--once")
    (seen,) = looked["seen"]
    assert (status, seen["request"], seen["deed"]) == (0, first, "refuted")
    assert seen["detail"].startswith("wrong at stage ")
    status, shown = tally(*VERB, "show", first)
    assert (shown["state"], shown["answer"], shown["claims_refuted"]) == ("open", None, 1)
    lie(tmp_path, kernel, second)
    status, refuted = tally(*VERB, "refute", "mlp.kernel.json", second)
    assert (status, refuted["refuted"]) == (0, True)
    status, error = tally(*VERB, "refute", "mlp.kernel.json", second)
    assert (status, error["code"]) == (3, "optimistic: no claim")
    status, looked = tally(*VERB, "watch", "mlp.kernel.json", "--once")  # a watcher that starts afresh sees what fell
    assert (status, [one["deed"] for one in looked["seen"]]) == (0, ["gone", "gone"])
    assert tally(*VERB, "collect")[1]["collected"] == "0.5"


def test_a_request_that_nobody_claims_goes_back(tally: Any, kernel: Any, capsys: pytest.CaptureFixture[str]) -> None:
    request = ask(tally, "--fee", "0.25", patience="1")
    time.sleep(1.5)
    assert tally(*VERB, "show", request)[1]["state"] == "late"
    assert run([*VERB, "show"]) == 0
    assert "nobody claimed" in capsys.readouterr().out
    status, error = tally(*VERB, "claim", "--yes", "mlp.kernel.json", request)
    assert (status, error["code"]) == (3, "optimistic: too late")
    assert tally(*VERB, "settle", request)[1]["state"] == "given back"
    assert tally(*VERB, "collect")[1]["collected"] == "0.25"


REFUSED = (
    (("show", "12"), 2, "cli.request"),
    (("show", "last"), 2, "request.none"),
    (("show", "00" * 32), 3, "optimistic: unknown request"),
    (("settle", "11" * 32), 3, "optimistic: unknown request"),
    (("claim", "mlp.kernel.json", "11" * 32), 3, "optimistic: unknown request"),
    (("refute", "mlp.kernel.json", "11" * 32), 3, "optimistic: unknown request"),
    (("watch",), 2, "cli.usage"),
    (("watch", "missing.json"), 2, "files.missing"),
    (("show", "--contract", "0x1234"), 2, "address.form"),
    (("show", "--contract", "0x" + "22" * 20), 2, "chain.no_contract"),
    (("deploy", "--coin", "0x" + "22" * 20), 2, "chain.no_contract"),
    (("deploy", "--coin", "a token"), 2, "address.form"),
    (("ask", "mlp.kernel.json", "--row", ROW, "--integers", "--bond", "half"), 2, "amount.form"),
    (("ask", "mlp.kernel.json", "--row", ROW, "--integers", "--bond", "0." + "1" * 19), 2, "amount.decimals"),
    (("ask", "mlp.kernel.json", "--row", ROW, "--integers", "--bond", "0"), 3, "optimistic: no bond"),
    (("ask", "mlp.kernel.json", "--row", "1,2", "--integers", "--bond", "1"), 2, "kernel.input"),
    (("ask", "mlp.kernel.json", "--row", ROW, "--integers", "--bond", "1", "--window", "0"), 2, "cli.usage"),
    (("ask", "mlp.kernel.json", "--row", ROW, "--integers", "--bond", "1", "--fee", "9" * 10), 3,
     "chain.insufficient_funds"),
)  # fmt: skip


def test_what_cannot_be_is_refused_in_words(tally: Any, kernel: Any) -> None:
    for arguments, status, code in REFUSED:
        found, error = tally(*VERB, *arguments)
        assert (found, error["code"]) == (status, code), (arguments, error)
        assert error["hint"] or status == 2, error


def test_the_kernel_of_another_model_is_not_taken(tally: Any, kernel: Any, tmp_path: Path) -> None:
    request = ask(tally)
    (tmp_path / "trees.kernel.json").write_bytes(Artifact.of(compile_integer(kernel_models.trees())).to_bytes())
    tally(*VERB, "publish", "trees.kernel.json")
    status, error = tally(*VERB, "claim", "--yes", "trees.kernel.json", request)
    assert (status, error["code"], "show" in error["hint"]) == (2, "kernel.request", True)
    lie(tmp_path, kernel, request)
    assert tally(*VERB, "refute", "trees.kernel.json", request)[1]["code"] == "kernel.request"
    assert tally(*VERB, "watch", "trees.kernel.json", "--once")[1]["seen"] == []
    status, looked = tally(*VERB, "watch", "trees.kernel.json", "mlp.kernel.json", "--once")
    assert (status, [one["deed"] for one in looked["seen"]]) == (0, ["refuted"])


def test_a_model_that_was_not_published_cannot_be_asked_or_watched(tally: Any, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "mlp.kernel.json").write_bytes(Artifact.of(compile_integer(kernel_models.mlp())).to_bytes())
    status, error = tally(*VERB, "ask", "mlp.kernel.json", "--row", ROW, "--integers", "--bond", "1")
    assert (status, error["code"], "publish" in error["hint"]) == (2, "optimistic.unpublished", True)
    status, error = tally(*VERB, "watch", "mlp.kernel.json", "--once")
    assert (status, error["code"], "publish" in error["hint"]) == (2, "optimistic.unpublished", True)


def test_the_newest_requests_are_found_however_few_blocks_are_read_at_a_time(
    tally: Any, kernel: Any, tmp_path: Path
) -> None:
    asked = [bytes.fromhex(ask(tally)) for _ in range(3)][::-1]
    with Tally.open(tmp_path / ".tally", lambda _: "") as opened:
        place = opened.lithic.optimistic().place
        for limit, blocks in itertools.product((1, 2, 3, 9), (1, 2, 3, 10_000)):
            found = place.newest(opened.node, (Requested.topic,), limit, blocks=blocks)
            assert [log.topics[1] for log in found] == asked[:limit]


def test_every_hint_is_about_something_that_is_refused() -> None:
    docs = Path(__file__).parents[2] / "docs"
    pages = "".join(page.read_text("utf-8") for page in (*(docs / "spec").glob("*.md"), docs / "errors.md"))
    assert not [code for code in HINTS if f"`{code}`" not in pages]


def test_people_read_what_comes_next(tally: Any, kernel: Any, capsys: pytest.CaptureFixture[str]) -> None:
    request = ask(tally, "--fee", "0.001")
    tally(*VERB, "claim", "--yes", "mlp.kernel.json", request)
    capsys.readouterr()
    for arguments in (("show",), ("show", "last"), ("watch", "mlp.kernel.json", "--once"), ("collect",)):
        assert run([*VERB, *arguments]) == 0
    assert run([*VERB, "refute", "mlp.kernel.json", "last"]) == 1
    printed = capsys.readouterr().out
    for words in (request, "unless somebody refutes it", "0.001", "right", "collected 0", "nothing was sent"):
        assert words in printed
