"""The kill switch of a wallet is rehearsed by a command, which sends nothing; its status says whether it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.agent_kit import open_tally


def test_a_wallet_with_a_guardian_is_ready_and_stays_as_it_was(tally: Any, token: str) -> None:
    status, found = tally("agent", "rehearse", "bot")
    assert (status, found["ready"]) == (0, True)
    assert [(one["deed"], one["is_good"]) for one in found["trials"]] == [("freeze", True)] * 2 + [("sweep", True)]
    assert found["trials"][-1]["token"] == token
    assert tally("agent", "wallet", "show", "bot")[1]["is_frozen"] is False


def test_a_wallet_without_a_guardian_is_not_ready(tally: Any, token: str, tmp_path: Path) -> None:
    """The one guardian leaves its role before the wallet is sealed: then only the owner could stop it."""
    made = tally("agent", "wallet", "create", "alone", "--guardian", "guard")[1]
    with open_tally(tmp_path / ".tally") as opened:
        account = opened.agents.wallet(made["wallet"]).contracts.account
        opened.outbox.send_and_wait(account.set_role(opened.agents.address("guard"), 1, False), key="no guardian")
    status, found = tally("agent", "rehearse", "alone")
    assert (status, found["ready"]) == (1, False)
    assert [one["deed"] for one in found["trials"]] == ["freeze"]
