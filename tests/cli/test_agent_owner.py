"""What only a wallet's owner does, by the command line: hand it over, call, approve digests, keep it frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tallystick.chain.bindings.policy_account import PolicyAccount
from tests.cli.agent_kit import FOR, address_of, open_tally, wait

DAY_S = 86_400
DIGEST = "ab" * 32


def test_a_wallet_is_handed_over_after_its_delay_when_the_heir_accepts(tally: Any, token: str, tmp_path: Path) -> None:
    heir = address_of(tmp_path / ".tally", "heir")
    assert tally("agent", "owner", "offer", "bot", "heir")[0] == 2  # it asks
    status, offered = tally("agent", "owner", "offer", "bot", "heir", "--yes")
    assert (status, offered["sent"][0]["deed"]) == (0, "schedule")
    shown = tally("agent", "owner", "show", "bot")[1]
    assert (shown["heir"], shown["announced"][0]["heir"]) == (None, heir)
    status, error = tally("agent", "owner", "accept", "bot", "--as", "heir", "--yes")
    assert (status, error["code"], "owner show" in error["hint"]) == (3, "roles: not the heir", True)
    assert tally("agent", "owner", "offer", "bot", "heir", "--yes")[1]["waiting"][0]["deed"] == "wait"
    assert tally("agent", "policy", "due", "bot")[1]["made"] == 0

    wait(tmp_path / ".tally", DAY_S)
    assert tally("agent", "policy", "due", "bot")[1]["made"] == 1
    assert tally("agent", "owner", "show", "bot")[1] == shown | {"heir": heir, "announced": []}
    assert tally("agent", "owner", "offer", "bot", "heir", "--yes")[1] == {"sent": [], "waiting": []}
    assert tally("agent", "owner", "accept", "bot", "--yes")[1]["code"] == "roles: not the heir"
    status, taken = tally("agent", "owner", "accept", "bot", "--as", "heir", "--yes")
    assert (status, taken["owner"]) == (0, heir)
    for verb in (("heartbeat", "bot"), ("wallet", "sweep", "bot", "--yes"), ("unfreeze", "bot", "--yes")):
        status, error = tally("agent", *verb)
        assert (status, error["code"]) == (3, "roles: not the owner"), verb
    assert tally("agent", "owner", "offer", "bot", "main", "--yes")[1]["code"] == "changes: not the owner"


def test_an_offer_is_taken_back_by_the_owner_or_while_it_waits_by_a_guardian(
    tally: Any, token: str, tmp_path: Path
) -> None:
    assert tally("agent", "owner", "withdraw", "bot")[1]["code"] == "agent.offer"
    tally("agent", "owner", "offer", "bot", "heir", "--yes")
    status, error = tally("agent", "owner", "withdraw", "bot", "--as", "bot")
    assert (status, error["code"]) == (3, "changes: not a guardian")
    assert tally("agent", "owner", "withdraw", "bot", "--as", "guard")[1]["withdrawn"] == 1
    assert tally("agent", "owner", "show", "bot")[1]["announced"] == []

    tally("agent", "owner", "offer", "bot", "heir", "--yes")
    wait(tmp_path / ".tally", DAY_S)
    tally("agent", "policy", "due", "bot")
    assert tally("agent", "owner", "withdraw", "bot", "--as", "guard")[1]["code"] == "roles: not the owner"
    assert tally("agent", "owner", "withdraw", "bot")[1]["withdrawn"] == 1
    assert tally("agent", "owner", "accept", "bot", "--as", "heir", "--yes")[1]["code"] == "roles: not the heir"


def test_a_wallet_is_offered_to_nobody_who_has_a_part_in_it(tally: Any, token: str, tmp_path: Path) -> None:
    assert tally("agent", "owner", "offer", "bot", "main", "--yes")[1]["code"] == "agent.heir"
    assert tally("agent", "owner", "offer", "bot", "0x12", "--yes")[1]["code"] == "address.form"
    assert tally("agent", "owner", "offer", "nobody", "heir", "--yes")[1]["code"] == "agent.wallet"
    tally("agent", "owner", "offer", "bot", "guard", "--yes")
    wait(tmp_path / ".tally", DAY_S)
    status, error = tally("agent", "policy", "due", "bot")
    assert (status, error["code"]) == (3, "roles: key has another role")


def test_before_sealing_an_offer_is_made_at_once(tally: Any, workspace: Path) -> None:
    tally("agent", "wallet", "create", "purse", "--guardian", "guard")
    assert tally("agent", "owner", "offer", "purse", "heir", "--yes")[1]["sent"][0]["deed"] == "set"
    assert tally("agent", "owner", "accept", "purse", "--as", "heir", "--yes")[0] == 0
    assert tally("agent", "wallet", "seal", "purse", "--yes")[1]["code"] == "roles: not the owner"


def test_the_owner_has_the_wallet_do_what_no_session_may(tally: Any, token: str, tmp_path: Path) -> None:
    pay = ("bot", token, "transfer(address,uint256)", "stranger", "50000000", *FOR)
    assert tally("agent", "owner", "execute", *pay)[0] == 2  # it asks
    status, done = tally("agent", "owner", "execute", *pay, "--yes")
    assert (status, done["session"]) == (0, "0x" + "0" * 40)
    held = tally("agent", "wallet", "show", "bot")[1]["holds"]
    assert held[1]["amount"] == "50"
    record = tally("agent", "intent", "show", done["intent"])[1]
    assert record["signer"] == record["record"]["session"] == address_of(tmp_path / ".tally", "main")

    assert tally("agent", "owner", "execute", *pay, "--yes")[0] == 0, "the same call again is another one"
    assert tally("agent", "owner", "execute", *pay, "--yes")[0] == 3, "there is nothing left"
    with open_tally(tmp_path / ".tally") as opened:
        rules = opened.agents.wallet("bot").contracts.rules.address
    own = tally("agent", "owner", "execute", "bot", rules, "0x12345678", *FOR, "--yes")[1]
    assert own["code"] == "owners: target denied"
    tally("agent", "freeze", "bot", "--yes")
    assert tally("agent", "owner", "execute", *pay, "--yes")[1]["code"] == "roles: frozen"


def test_a_digest_counts_as_signed_until_its_time_or_its_end(tally: Any, token: str, tmp_path: Path) -> None:
    def is_signed() -> bool:
        with open_tally(tmp_path / ".tally") as opened:
            account = PolicyAccount(opened.node, opened.agents.wallet("bot").address)
            return account.is_valid_signature(bytes.fromhex(DIGEST), b"").hex() == "1626ba7e"

    approve = ("agent", "owner", "approve-digest", "bot", DIGEST)
    assert tally(*approve)[0] == 2  # it asks
    status, error = tally("agent", "owner", "approve-digest", "bot", "abcd", "--yes")
    assert (status, error["code"]) == (2, "cli.hash")
    assert not is_signed()
    status, done = tally(*approve, "--for", "1h", "--yes")
    assert (status, done["digest"], is_signed()) == (0, DIGEST, True)
    assert tally(*approve, "--revoke")[1]["expires"] == 0
    assert not is_signed()
    tally(*approve, "--yes")
    wait(tmp_path / ".tally", 3_601)
    assert not is_signed()


def test_a_freeze_is_extended_by_the_owner_and_only_while_it_runs(tally: Any, token: str) -> None:
    status, error = tally("agent", "extend-freeze", "bot", "--for", "30d", "--yes")
    assert (status, error["code"]) == (3, "roles: not frozen")
    frozen = tally("agent", "freeze", "bot", "--as", "guard", "--yes")[1]
    assert tally("agent", "extend-freeze", "bot", "--for", "30d")[0] == 2  # it asks
    status, longer = tally("agent", "extend-freeze", "bot", "--for", "30d", "--yes")
    assert (status, longer["frozen_until"] > frozen["frozen_until"]) == (0, True)
    assert tally("agent", "wallet", "show", "bot")[1]["frozen_until"] == longer["frozen_until"]
    for span in ("1d", "400d"):  # no freeze becomes shorter, none lasts beyond a year
        status, error = tally("agent", "extend-freeze", "bot", "--for", span, "--yes")
        assert (status, error["code"], bool(error["hint"])) == (3, "roles: freeze too long", True)


def test_a_new_epoch_ends_every_session_without_a_freeze(tally: Any, token: str) -> None:
    assert tally("agent", "bump-epoch", "bot", "--as", "guard")[0] == 2  # it asks
    assert tally("agent", "bump-epoch", "bot", "--as", "bot", "--yes")[1]["code"] == "roles: not a guardian"
    assert tally("agent", "bump-epoch", "bot", "--as", "guard", "--yes")[1]["epoch"] == 1
    status, error = tally("agent", "pay", "bot", "bot", "shop", "1", "--token", token, *FOR)
    assert (status, error["code"]) == (3, "sessions: not live")
    assert tally("agent", "wallet", "show", "bot")[1]["is_frozen"] is False
