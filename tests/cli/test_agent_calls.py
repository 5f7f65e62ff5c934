"""Calls and their reasons by the command line: any call, done or proposed, and records that commit to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.main import run
from tallystick.core.digest import sha256
from tests.cli.agent_kit import FOR, address_of

TRANSFER = "transfer(address,uint256)"


def test_a_call_is_written_as_a_signature_or_as_bytes_and_meets_the_same_rules(
    tally: Any, token: str, tmp_path: Path
) -> None:
    shop = address_of(tmp_path / ".tally", "shop")
    status, done = tally("agent", "act", "bot", "bot", token, TRANSFER, "shop", "1000000", *FOR)
    assert (status, done["spent"]) == (0, "1000000")
    words = (shop[2:].lower().rjust(64, "0"), f"{2_000_000:064x}")
    assert tally("agent", "act", "bot", "bot", token, "0xa9059cbb" + "".join(words), *FOR)[1]["spent"] == "2000000"
    assert tally("agent", "act", "bot", "bot", token, "0xa9059cbb", shop, "3000000", *FOR)[1]["spent"] == "3000000"
    record = tally("agent", "intent", "show", done["intent"])[1]["record"]
    assert record["payment"] == {"amount": "1000000", "payee": shop, "token": token}, "as the rules read the call"
    assert tally("agent", "audit", "bot", "--policy", "bot.toml")[0] == 0


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("zz",), "calldata.call"),
        ((TRANSFER, "shop"), "calldata.count"),
        ((TRANSFER, "shop", "1.5"), "calldata.argument"),
        ((TRANSFER, "0x12", "1"), "address.form"),
        ((TRANSFER, "shop", "1", "--gas", "1"), "cli.usage"),
        (("0x" + "00" * 2_049,), "abi.length"),
        ((TRANSFER, "shop", "1", "--amount", "x"), "amount.form"),
        ((TRANSFER, "shop", "1", "--weights", "nowhere"), "files.missing"),
        ((TRANSFER, "shop", "1", "--prompt", "."), "files.special"),
        ((TRANSFER, "shop", "1", "--parent", "12"), "cli.hash"),
        ((TRANSFER, "shop", "1", "--task", "x" * 1_025), "document.length"),
        ((TRANSFER, "shop", "1", "--context", "0x" + "ab" * 32), "intent.secret"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused_before_anything_is_sent(
    tally: Any, token: str, call: tuple[str, ...], code: str
) -> None:
    before = tally("agent", "wallet", "show", "bot")[1]["links"]
    status, error = tally("agent", "act", "bot", "bot", token, *call, *FOR)
    assert (status, error["code"]) == (2, code)
    assert tally("agent", "wallet", "show", "bot")[1]["links"] == before


def test_what_no_rule_allows_is_refused_by_the_wallet(tally: Any, token: str) -> None:
    status, error = tally("agent", "act", "bot", "bot", token, "approve(address,uint256)", "shop", "1", *FOR)
    assert (status, error["code"]) == (3, "rules: no rule")
    assert tally("agent", "act", "bot", "thief", token, TRANSFER, "shop", "1", *FOR)[1]["code"] == "sessions: not live"
    status, error = tally("agent", "act", "bot", "bot", token, TRANSFER, "shop", "1")
    assert (status, error["code"], "--for" in error["message"]) == (2, "cli.usage", True)


def test_any_call_is_proposed_and_people_read_in_words_what_they_let_pass(
    tally: Any, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, item = tally("agent", "queue", "propose", "bot", "bot", token, TRANSFER, "stranger", "30000000", *FOR)
    assert (status, item["state"], item["token"], item["max_debit"]) == (0, "open", token, "30000000")
    shown = tally("agent", "queue", "show", "bot", item["item"])[1]
    assert any(f"moves 30 USD of {token} to 0x" in line for line in shown["words"])
    assert any("an example" in line for line in shown["words"])
    capsys.readouterr()
    assert run(["agent", "approve", "bot", item["item"], "--as", "boss", "--yes"]) == 0
    assert "moves 30 USD" in capsys.readouterr().err
    assert tally("agent", "queue", "run", "bot", item["item"])[1]["state"] == "ran"
    assert tally("agent", "audit", "bot", "--policy", "bot.toml")[0] == 0


def test_an_item_that_says_too_little_of_what_it_spends_does_not_run(tally: Any, token: str) -> None:
    propose = ("agent", "queue", "propose", "bot", "bot", token, TRANSFER, "stranger", "30000000", *FOR)
    assert tally(*propose, "--max-debit", "1")[1]["code"] == "cli.usage"  # of which token?
    item = tally(*propose, "--token", token, "--max-debit", "29.999999")[1]
    tally("agent", "approve", "bot", item["item"], "--as", "boss", "--yes")
    status, error = tally("agent", "queue", "run", "bot", item["item"])
    assert (status, error["code"], "again" in error["hint"]) == (3, "calls: beyond the item", True)
    assert tally("agent", "queue", "list", "bot")[1]["items"][0]["item"] == item["item"], "it stays open"
    assert tally("agent", "queue", "show", "bot", "ab" * 32)[1]["code"] == "agent.item"
    assert tally("agent", "queue", "propose", "bot", "thief", token, TRANSFER, "shop", "1", *FOR)[0] == 3
    assert tally("agent", "queue", "propose", "bot", "bot", "shop", "30", *FOR)[1]["code"] == "calldata.call"
    assert tally(*propose, "--valid", "61d")[1]["code"] == "queue: valid too long"


def test_an_item_of_what_is_no_token_is_still_shown_and_vetoed(tally: Any, token: str) -> None:
    shop = "0x" + "41" * 20
    for call in (("native", "--amount", "1"), (TRANSFER, "shop", "1"), ("0x1234",)):
        item = tally("agent", "queue", "propose", "bot", "bot", shop, *call, *FOR)[1]
        words = tally("agent", "queue", "show", "bot", item["item"])[1]["words"]
        assert len(words) == 3 if call[0] == TRANSFER else 2, words
        assert "which is no token" in words[1] or call[0] != TRANSFER
        assert tally("agent", "veto", "bot", item["item"], "--as", "bot")[1]["state"] == "vetoed"


def test_a_record_commits_to_files_and_opens_for_whoever_has_their_salts(
    tally: Any, token: str, tmp_path: Path
) -> None:
    for name in ("prompt.txt", "asked.json", "said.json", "offer.json", "weights.bin"):
        Path(name).write_text(f"this is {name}", "utf-8")
    contents = ("--prompt", "prompt.txt", "--tool", "search", "asked.json", "said.json")
    names = ("--quote", "offer.json", "--model", "planner", "--weights", "weights.bin")
    ids = ("--task", "t-1", "--context", "c-1", "--parent", "cd" * 32)
    paid = tally("agent", "pay", "bot", "bot", "shop", "1", "--token", token, *FOR, *contents, *names, *ids)[1]
    shown = tally("agent", "intent", "show", paid["intent"])[1]
    record = shown["record"]
    assert record["quote"] == sha256(b"this is offer.json").hex()
    assert record["model"] == {"name": "planner", "weights": sha256(b"this is weights.bin").hex()}
    assert (record["task"], record["context"], record["parent"]) == ("t-1", "c-1", "cd" * 32)
    assert record["tools"][0]["name"] == "search"
    assert "this is" not in json.dumps(shown)
    assert shown["kept"] == {}
    for path in (path for path in (tmp_path / ".tally").rglob("*") if path.is_file()):
        assert b"this is prompt" not in path.read_bytes(), f"{path} holds what was only to be hashed"

    check = ("agent", "intent", "check", paid["intent"])
    assert tally(*check)[1]["code"] == "cli.usage", "nothing was kept"
    status, report = tally(*check, "--prompt", "prompt.txt", "--content", "tool-1-gave", "said.json")
    assert (status, report["checks_passed"]) == (0, 2)
    assert tally(*check, "--prompt", "said.json")[0] == 1
    assert tally(*check, "--content", "tool-2-gave", "said.json")[1]["code"] == "intent.slot"
    assert tally(*check, "--prompt", "nowhere")[1]["code"] == "files.missing"
    assert tally("agent", "intent", "check", "ef" * 32)[1]["code"] == "intent.unknown"
    assert tally("agent", "intent", "show", "12")[1]["code"] == "cli.hash"


def test_contents_stay_where_that_is_asked_for_and_are_forgotten_with_their_salts(
    tally: Any, token: str, tmp_path: Path
) -> None:
    Path("prompt.txt").write_text("which days?", "utf-8")
    pay = ("agent", "pay", "bot", "bot", "shop", "1", "--token", token, *FOR)
    paid = tally(*pay, "--prompt", "prompt.txt", "--keep")[1]
    kept = tally("agent", "intent", "show", paid["intent"])[1]["kept"]
    assert Path(kept["prompt"]).read_text("utf-8") == "which days?"
    assert tally("agent", "intent", "check", paid["intent"])[0] == 0
    for path in Path(kept["prompt"]).parent.iterdir():
        path.unlink()
    status, error = tally("agent", "intent", "check", paid["intent"], "--prompt", "prompt.txt")
    assert (status, error["code"]) == (4, "intent.unopened")
    assert tally("agent", "audit", "bot", "--policy", "bot.toml")[0] == 0, "the record stands"

    elsewhere = tally(*pay, "--prompt", "ab" * 32)[1]
    assert tally("agent", "intent", "show", elsewhere["intent"])[1]["record"]["prompt"] == "ab" * 32
    assert tally("agent", "intent", "check", elsewhere["intent"], "--prompt", "prompt.txt")[0] == 1
