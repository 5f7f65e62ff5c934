"""Policies and sessions by the command line: written, granted, compared with another wallet, announced, taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.agent_kit import FOR, address_of, make_token, wait

DAY_S = 86_400
NEW = ("--guardian", "guard", "--payee", "shop")
GRANT = ("agent", "session", "grant", "purse", "helper", "--cap", "5", "--refill", "1")


@pytest.fixture
def usd(workspace: Path) -> str:
    return make_token(workspace)


@pytest.fixture
def purse(tally: Any, workspace: Path) -> str:
    return str(tally("agent", "wallet", "create", "purse", "--guardian", "guard")[1]["wallet"])


def test_a_new_policy_is_sound_and_says_who_and_what(tally: Any, usd: str, workspace: Path) -> None:
    status, made = tally("agent", "policy", "new", "careful.toml", "--token", usd, *NEW, "--session", "helper")
    assert (status, made["file"]) == (0, "careful.toml")
    text = Path("careful.toml").read_text("utf-8")
    for name in ("main", "guard", "shop", "helper"):
        assert address_of(workspace, name) in text, name
    status, checked = tally("agent", "policy", "check", "careful.toml")
    assert (status, checked["is_sound"], checked["digest"]) == (0, True, made["digest"])
    told = tally("agent", "policy", "explain", "careful.toml")[1]
    assert told["loss_bounds"][0]["total"] == "40000000"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (("--token", "0x12"), 2, "address.form"),
        (("--token", "0x" + "12" * 20), 2, "chain.no_contract"),
        (("--valid", "soon"), 2, "cli.usage"),
        (("--payee", "no such name!"), 2, "keys.name"),
        (("--session", "0x12"), 2, "address.form"),
    ],
)
def test_a_policy_of_what_cannot_be_is_not_written(
    tally: Any, usd: str, change: tuple[str, ...], status: int, code: str
) -> None:
    found, error = tally("agent", "policy", "new", "careful.toml", "--token", usd, *NEW, *change)
    assert (found, error["code"]) == (status, code)
    assert not Path("careful.toml").exists()


def test_a_policy_that_is_there_is_not_written_over(tally: Any, usd: str) -> None:
    new = ("agent", "policy", "new", "mine.toml", "--token", usd, *NEW)
    assert tally(*new)[0] == 0
    Path("mine.toml").write_text("edited for days", "utf-8")
    assert tally(*new)[1]["code"] == "files.exists"
    assert tally("agent", "new", "mine", "--token", usd, *NEW, "--file", "mine.toml")[1]["code"] == "cli.exists"
    assert tally("agent", "policy", "export", "mine", "mine.toml")[1]["code"] == "agent.wallet"
    tally("agent", "wallet", "create", "mine", "--guardian", "guard")
    assert tally("agent", "policy", "export", "mine", "mine.toml")[1]["code"] == "files.exists"
    assert Path("mine.toml").read_text("utf-8") == "edited for days"


def test_before_sealing_a_session_is_granted_at_once_and_acts_only_when_sealed(
    tally: Any, purse: str, usd: str
) -> None:
    status, granted = tally(*GRANT, "--token", usd, "--level", "bounded", "--valid", "7d")
    assert (status, granted["waiting"], {one["deed"] for one in granted["sent"]}) == (0, [], {"set"})
    [session] = tally("agent", "session", "list", "purse")[1]["sessions"]
    assert (session["level"], session["denials"]) == ("bounded", 0)
    assert session["budgets"][usd]["cap"] == "5000000"
    status, error = tally(*GRANT, "--token", usd)
    assert (status, error["code"], "level" in error["hint"]) == (2, "agent.session", True)
    tally("agent", "wallet", "fund", "purse", "10", "--token", usd)
    pay = ("agent", "pay", "purse", "helper", "shop", "1", "--token", usd, *FOR)
    status, error = tally(*pay)
    assert (status, error["code"], "seal" in error["hint"]) == (3, "sessions: not sealed", True)
    assert tally("agent", "wallet", "seal", "purse")[0] == 2  # it asks
    tally("agent", "wallet", "seal", "purse", "--yes")
    assert tally(*pay)[1]["code"] == "rules: no rule", "a session alone has no rules"
    status, error = tally("agent", "session", "accrue", "purse", "helper", "--token", usd)
    assert (status, error["code"]) == (3, "buckets: no bucket"), "the wallet itself has no budget of it"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("--cap", "-1"), "amount.form"), (("--cap", "1.1234567"), "amount.decimals"),
        (("--cap", "9" * 40), "cli.amount"), (("--refill", ""), "amount.form"),
        (("--level", "king"), "cli.usage"), (("--operations", "0"), "cli.usage"), (("--denials", "256"), "cli.usage"),
        (("--period", "0"), "cli.usage"), (("--valid", "99999d"), "cli.usage"), (("--token", "shop"), "address.form"),
    ],
)  # fmt: skip
def test_a_session_with_terms_that_cannot_be_is_refused(
    tally: Any, purse: str, usd: str, change: tuple[str, ...], code: str
) -> None:
    status, error = tally(*GRANT, "--token", usd, *change)
    assert (status, error["code"]) == (2, code)
    assert tally("agent", "session", "list", "purse")[1]["sessions"] == []


def test_a_key_that_holds_a_role_is_no_session(tally: Any, purse: str, usd: str) -> None:
    for key in ("guard", "main"):
        status, error = tally("agent", "session", "grant", "purse", key, "--token", usd, "--cap", "5", "--refill", "1")
        assert (status, error["code"]) == (3, "roles: key has another role")


def test_sessions_that_are_not_there_are_not_changed(tally: Any, purse: str) -> None:
    for verb in (("level", "purse", "ghost", "bounded"), ("level", "purse", "ghost", "observe")):
        assert tally("agent", "session", *verb)[1]["code"] == "agent.session"
    assert tally("agent", "session", "revoke", "purse", "ghost")[0] == 2  # it asks
    assert tally("agent", "session", "revoke", "purse", "ghost", "--yes")[1]["code"] == "sessions: unknown session"
    assert tally("agent", "session", "rotate", "purse", "ghost", "other")[1]["code"] == "sessions: not live"
    assert tally("agent", "session", "list", "nobody")[1]["code"] == "agent.wallet"
    assert tally("agent", "session", "list", "0x" + "12" * 20)[1]["code"] == "agent.wallet"


def test_a_policy_of_one_wallet_is_compared_with_another_and_not_applied_to_it(
    tally: Any, token: str, tmp_path: Path
) -> None:
    other = tally("agent", "wallet", "create", "other", "--guardian", "guard")[1]["wallet"]
    status, error = tally("agent", "policy", "diff", "other", "bot.toml")
    assert (status, error["code"], error["expected"]) == (2, "policy.account", other)
    assert tally("agent", "policy", "apply", "other", "bot.toml", "--yes")[1]["code"] == "policy.account"
    text = Path("bot.toml").read_text("utf-8")
    whose = tally("agent", "wallet", "show", "bot")[1]["wallet"]
    Path("anybodys.toml").write_text(text.replace(f'address = "{whose}"\n', "", 1), "utf-8")
    assert whose not in Path("anybodys.toml").read_text("utf-8")
    status, found = tally("agent", "policy", "diff", "other", "anybodys.toml")
    assert (status, found["wallet"]) == (1, other)
    assert {"sessions.agent", "rules.pay", "roles"} <= {one["part"] for one in found["changes"]}
    assert tally("agent", "policy", "diff", "bot", "anybodys.toml")[0] == 0

    tally("agent", "policy", "export", "other", "others.toml")
    assert tally("agent", "policy", "diff", "bot", "others.toml")[1]["code"] == "policy.account"
    assert tally("agent", "policy", "diff", "nobody", "anybodys.toml")[1]["code"] == "agent.wallet"
    assert tally("agent", "policy", "diff", "bot", "nowhere.toml")[1]["code"] == "files.missing"
    Path("chain.toml").write_text(Path("anybodys.toml").read_text("utf-8").replace("1337", "1"), "utf-8")
    assert tally("agent", "policy", "diff", "bot", "chain.toml")[1]["code"] == "policy.chain"


def test_what_was_announced_is_made_once_due_or_taken_back_by_who_may(tally: Any, token: str, tmp_path: Path) -> None:
    wider = Path("bot.toml").read_text("utf-8").replace('call_cap = "10"', 'call_cap = "15"')
    Path("wider.toml").write_text(wider, "utf-8")
    apply = ("agent", "policy", "apply", "bot", "wider.toml")
    assert tally(*apply)[0] == 2  # it asks
    assert [one["deed"] for one in tally(*apply, "--yes")[1]["sent"]] == ["schedule"]
    assert tally("agent", "policy", "due", "bot")[1]["made"] == 0
    for key in ("bot", "shop", "boss"):
        status, error = tally("agent", "policy", "cancel", "bot", "bot.toml", "--as", key)
        assert (status, error["code"]) == (3, "changes: not a guardian"), key
    assert tally("agent", "policy", "cancel", "bot", "wider.toml")[1]["cancelled"] == 0, "it is asked for"
    assert tally("agent", "policy", "cancel", "bot", "bot.toml")[1]["cancelled"] == 1
    assert tally("agent", "policy", "cancel", "bot", "bot.toml")[1]["cancelled"] == 0
    wait(tmp_path / ".tally", DAY_S)
    assert tally("agent", "policy", "due", "bot")[1]["made"] == 0

    tally(*apply, "--yes")
    wait(tmp_path / ".tally", DAY_S)
    assert tally("agent", "policy", "due", "bot")[1]["made"] == 1
    pay = tally("agent", "pay", "bot", "bot", "shop", "15", "--token", token, *FOR)
    assert (pay[0], pay[1]["spent"]) == (0, "15000000")


def test_one_key_for_two_roles_is_no_policy_to_begin_with(tally: Any, usd: str) -> None:
    for roles in (("--guardian", "main", "--payee", "shop"), ("--guardian", "twice", "--payee", "shop")):
        status, error = tally("agent", "new", "twice", "--token", usd, *roles)
        assert (status, error["code"], "key of its own" in error["hint"]) == (2, "policy.refused", True)
        assert not Path("twice.policy.toml").exists()
    assert tally("agent", "wallet", "show")[1]["wallets"] == [], "nothing was made for it"
    assert tally("agent", "new", "twice", "--token", usd, *NEW)[0] == 0, "and the name is free"


def test_a_name_means_one_wallet_and_an_address_that_is_none_is_told(tally: Any, purse: str, usd: str) -> None:
    status, error = tally(
        "agent", "wallet", "create", "other", "--guardian", "guard", "--entry-point", "0x" + "41" * 20
    )
    assert (status, error["code"], "another workspace" in error["hint"]) == (2, "agent.entry_point", True)
    assert tally("agent", "wallet", "show", "purse")[1]["wallet"] == purse
    assert tally("agent", "wallet", "create", "more", "--guardian", "guard", "--guardian", "guard")[0] == 3
    assert tally("agent", "wallet", "create", "more", "--guardian", "guard")[0] == 0, "the mistake is mended"
    for verb in (("wallet", "show"), ("heartbeat",), ("audit",), ("session", "list")):
        status, error = tally("agent", *verb, usd)
        assert (status, error["code"], error["got"]) == (2, "agent.wallet", "another contract")
    status, error = tally("agent", "wallet", "sweep", "purse", "--to", "0x" + "00" * 20, "--yes")
    assert (status, error["code"]) == (2, "agent.receiver")
    assert tally("agent", "owner", "offer", "purse", "0x" + "00" * 20, "--yes")[1]["code"] == "agent.heir"


def test_newcomers_are_introduced_only_where_the_policy_names_a_registry(tally: Any, token: str) -> None:
    status, error = tally("agent", "policy", "introduce", "bot", "0")
    assert (status, error["code"], "newcomers" in error["hint"]) == (3, "payees: no registry", True)
    assert tally("agent", "policy", "introduce", "bot", "-1")[1]["code"] == "cli.usage"


def test_a_file_that_is_no_policy_is_said_to_be_none_with_what_to_do(tally: Any, workspace: Path) -> None:
    Path("bytes.toml").write_bytes(bytes(range(256)))
    Path("words.toml").write_text("hello there", "utf-8")
    Path("other.toml").write_text('[tool]\nname = "other"\n', "utf-8")
    for name, code in (
        ("bytes.toml", "policy.toml"),
        ("words.toml", "policy.toml"),
        ("other.toml", "document.missing"),
    ):
        status, error = tally("agent", "policy", "check", name)
        assert (status, error["code"]) == (2, code)
        assert name in error["message"]
        assert "tally agent policy new" in error["hint"]
        assert error["expected"]
