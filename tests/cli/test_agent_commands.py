"""A wallet of an agent by the command line: made, sealed, spent from, refused, approved, frozen, swept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOR = ("--for", "an example")


def test_a_session_pays_within_its_budget_and_no_more(tally: Any, token: str) -> None:
    status, paid = tally("agent", "pay", "bot", "bot", "shop", "7.5", "--token", token, *FOR)
    assert (status, paid["spent"], len(paid["intent"])) == (0, "7500000", 64)
    status, error = tally("agent", "pay", "bot", "bot", "shop", "10.5", "--token", token, *FOR)
    assert (status, error["code"]) == (3, "rules: over the cap")
    assert tally("agent", "pay", "bot", "bot", "shop", "9", "--token", token, *FOR)[0] == 0
    status, error = tally("agent", "pay", "bot", "bot", "shop", "9", "--token", token, *FOR)
    assert (status, error["code"], "explain" in error["hint"]) == (3, "buckets: over budget", True)
    status, error = tally("agent", "pay", "bot", "bot", "stranger", "1", "--token", token, *FOR)
    assert (status, error["code"]) == (3, "payees: not allowed")
    held = tally("agent", "wallet", "show", "bot")[1]["holds"]
    assert [one["amount"] for one in held] == ["0", "83.5"]
    (listed,) = tally("agent", "session", "list", "bot")[1]["sessions"]
    counted = ("operations", "operations_max", "denials", "denials_max")
    assert [listed[one] for one in counted] == [5, 100, 3, 5]
    assert 3_500_000 <= int(listed["budgets"][token]["left"]) < 4_000_000  # 20 at once, 16.5 paid, what came in since


def test_a_key_without_a_session_does_nothing(tally: Any, token: str) -> None:
    status, error = tally("agent", "pay", "bot", "thief", "shop", "1", "--token", token, *FOR)
    assert (status, error["code"], "session list" in error["hint"]) == (3, "sessions: not live", True)


def test_what_is_beyond_the_cap_passes_with_an_approval(tally: Any, token: str) -> None:
    propose = ("agent", "queue", "pay", "bot", "bot", "stranger", "30", "--token", token, *FOR)
    status, item = tally(*propose)
    assert (status, item["state"], item["max_debit"]) == (0, "open", "30000000")
    assert tally("agent", "queue", "run", "bot", item["item"])[1]["code"] == "queue: not approved"
    status, error = tally("agent", "approve", "bot", item["item"], "--as", "guard", "--yes")
    assert (status, error["code"], "--as" in error["hint"]) == (3, "queue: not an approver", True)
    assert tally("agent", "approve", "bot", item["item"], "--as", "boss")[0] == 2  # it asks
    assert tally("agent", "approve", "bot", item["item"], "--as", "boss", "--yes")[1]["approvals"] == 1
    status, ran = tally("agent", "queue", "run", "bot", item["item"])
    assert (status, ran["state"], ran["spent"], ran["intent"]) == (0, "ran", "30000000", item["intent"])
    assert tally("agent", "queue", "run", "bot", item["item"])[1]["code"] == "queue: not open"
    status, other = tally(*propose)
    assert tally("agent", "veto", "bot", other["item"], "--as", "guard")[1]["state"] == "vetoed"
    assert tally(*propose)[1]["state"] == "open"
    tally("agent", "freeze", "bot", "--as", "guard", "--yes")
    assert tally("agent", "queue", "list", "bot")[1]["items"] == []
    ended = tally("agent", "queue", "list", "bot", "--all")[1]["items"]
    assert [one["state"] for one in ended] == ["void", "vetoed", "ran"]


def test_a_guardian_freezes_at_once_and_the_owner_still_sweeps(tally: Any, token: str) -> None:
    assert tally("agent", "freeze", "bot", "--as", "guard")[0] == 2  # it asks
    status, error = tally("agent", "freeze", "bot", "--as", "bot", "--yes")
    assert (status, error["code"]) == (3, "roles: not a guardian")
    status, frozen = tally("agent", "freeze", "bot", "--as", "guard", "--yes")
    assert (status, frozen["epoch"]) == (0, 1)
    assert tally("agent", "pay", "bot", "bot", "shop", "1", "--token", token, *FOR)[1]["code"] == "roles: frozen"
    shown = tally("agent", "wallet", "show", "bot")[1]
    assert (shown["is_frozen"], shown["is_sealed"]) == (True, True)
    assert list(shown["guardians"].values()) == [True]
    until = tally("agent", "unfreeze", "bot", "--yes")[1]["frozen_until"]
    assert until < frozen["frozen_until"]
    status, swept = tally("agent", "wallet", "sweep", "bot", "--token", token, "--yes")
    assert (status, swept["swept"]) == (0, "100")
    assert tally("agent", "heartbeat", "bot")[0] == 0


def test_sessions_are_lowered_at_once_and_raised_by_announcement(tally: Any, token: str) -> None:
    status, lowered = tally("agent", "session", "level", "bot", "bot", "propose", "--as", "guard")
    assert (status, [one["deed"] for one in lowered["sent"]]) == (0, ["set"])
    status, error = tally("agent", "session", "level", "bot", "bot", "bounded", "--as", "guard")
    assert (status, error["code"]) == (3, "changes: not the owner"), "a guardian raises nobody, not by the owner's key"
    for amount in ("1", "2"):  # the second is another call in the same block
        status, error = tally("agent", "pay", "bot", "bot", "shop", amount, "--token", token, *FOR)
        assert (status, error["code"]) == (3, "sessions: level too low")
    status, raised = tally("agent", "session", "level", "bot", "bot", "bounded")
    assert (status, raised["sent"][0]["deed"]) == (0, "schedule")
    assert tally("agent", "session", "level", "bot", "bot", "bounded")[1]["waiting"][0]["deed"] == "wait"
    assert tally("agent", "policy", "due", "bot")[1]["made"] == 0
    assert tally("agent", "policy", "cancel", "bot", "bot.toml", "--as", "guard")[1]["cancelled"] == 0  # it is meant
    tally("agent", "policy", "export", "bot", "now.toml")
    assert tally("agent", "policy", "cancel", "bot", "now.toml", "--as", "bot")[1]["code"] == "changes: not a guardian"
    assert tally("agent", "policy", "cancel", "bot", "now.toml", "--as", "guard")[1]["cancelled"] == 1
    assert tally("agent", "session", "rotate", "bot", "bot", "bot2")[0] == 0
    assert len(tally("agent", "session", "list", "bot")[1]["sessions"]) == 1
    assert tally("agent", "session", "revoke", "bot", "bot2", "--yes")[0] == 0
    assert tally("agent", "session", "list", "bot")[1]["sessions"] == []
    granted = tally("agent", "session", "grant", "bot", "bot3", "--token", token, "--cap", "1", "--refill", "1")[1]
    assert {one["deed"] for one in granted["sent"]} == {"schedule"}


def test_a_policy_is_checked_explained_compared_and_replayed(tally: Any, token: str) -> None:
    status, checked = tally("agent", "policy", "check", "bot.toml")
    assert (status, checked["is_sound"]) == (0, True)
    assert tally("agent", "policy", "explain")[1]["code"] == "cli.usage"
    told = tally("agent", "policy", "explain", "bot.toml", "--wallet", "bot")[1]
    assert told["loss_bounds"][0]["total"] == "40000000"
    assert tally("agent", "policy", "diff", "bot", "bot.toml") == (0, {"wallet": _wallet(tally), "changes": []})
    tally("agent", "pay", "bot", "bot", "shop", "8", "--token", token, *FOR)
    tight = Path("bot.toml").read_text("utf-8").replace('call_cap = "10"', 'call_cap = "5"')
    Path("tight.toml").write_text(tight, "utf-8")
    assert tally("agent", "policy", "diff", "bot", "tight.toml")[0] == 1
    replayed = tally("agent", "policy", "simulate", "bot", "tight.toml")[1]
    assert (replayed["acts"], replayed["refused_now"][0]["reason"]) == (1, "rules: over the cap")
    assert (replayed["done"], replayed["refused"]) == (1, 0)
    assert tally("agent", "policy", "export", "bot", "now.toml")[0] == 0
    assert tally("agent", "policy", "diff", "bot", "now.toml")[0] == 0


def test_an_audit_balances_and_names_a_record_that_is_gone(tally: Any, token: str, tmp_path: Path) -> None:
    _, paid = tally("agent", "pay", "bot", "bot", "shop", "3", "--token", token, *FOR)
    tally("agent", "pay", "bot", "bot", "stranger", "3", "--token", token, *FOR)
    status, found = tally("agent", "audit", "bot", "--policy", "bot.toml", "--report", "audit.html")
    assert (status, found["balanced"], found["gaps"]) == (0, True, [])
    assert [one["kind"] for one in found["links"]].count("signed_call") == 2
    assert [one["intent_hash"] for one in found["reasons"]][:1] == [paid["intent"]]
    assert found["reasons"][0]["record"]["purpose"] == "an example"
    assert "<html" in Path("audit.html").read_text("utf-8")
    signature = next(tmp_path.rglob(f"intents/*/{paid['intent']}"))
    signature.unlink()
    found = tally("agent", "audit", "bot")[1]
    assert any(one["code"] == "intents.missing" for one in (*found["gaps"], *found["remarks"]))


def test_what_is_not_there_is_said_with_what_to_do(tally: Any, workspace: Path) -> None:
    status, error = tally("agent", "wallet", "show", "nobody")
    assert (status, error["code"], "agent new" in error["hint"]) == (2, "agent.wallet", True)
    status, made = tally("agent", "wallet", "create", "purse", "--guardian", "guard", "--raise-delay", "1h")
    assert status == 0
    assert tally("agent", "wallet", "create", "purse", "--guardian", "guard") == (0, made)
    status, error = tally("agent", "wallet", "show", "nobody")
    assert (status, error["code"]) == (2, "agent.wallet")
    assert tally("agent", "veto", "purse", "12")[1]["code"] == "cli.item"
    assert [one["wallet"] for one in tally("agent", "wallet", "show")[1]["wallets"]] == [made["wallet"]]


def _wallet(tally: Any) -> str:
    return str(tally("agent", "wallet", "show", "bot")[1]["wallet"])
