"""`tally chain`: what is on its way can be listed and taken back, and the served chain asks who may ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anvil_node import Anvil, running_anvil

from tallystick.chain.calls import Call
from tallystick.core.limits import SCRYPT_N_DEVELOPMENT
from tallystick.store.keys import Keyring
from tallystick.tally import Tally

FRIEND = "0x" + "22" * 20


@pytest.fixture
def manual() -> Iterator[Anvil]:
    """A node that mines only when told to."""
    with running_anvil("--no-mining") as node:
        yield node


@pytest.mark.anvil
def test_a_stuck_transaction_is_cancelled(
    tally: Any, manual: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("of the test\n")
    secret.chmod(0o600)
    monkeypatch.setenv("TALLY_PASSPHRASE_FILE", str(secret))
    assert tally("init", "--chain", manual.url)[0] == 0
    keys = Keyring(tmp_path / ".tally" / "keys", scrypt_n=SCRYPT_N_DEVELOPMENT)
    manual.rpc("anvil_setBalance", keys.create_account("main", lambda _: "of the test").public, hex(10**18))
    with Tally.open(tmp_path / ".tally", lambda _: "of the test") as opened:
        opened.outbox.send(Call(FRIEND, b"", 7), key="rent for May")
        manual.rpc("anvil_setNextBlockBaseFeePerGas", hex(90 * 10**9))
        manual.rpc("anvil_mine", "0x1")
    assert tally("chain", "cancel", "rent for May")[0] == 2  # nobody is there to ask
    status, told = tally("chain", "cancel", "rent for May", "--max-fee", "2", "--yes")
    assert (status, told["code"]) == (3, "outbox.cancel_budget")
    status, told = tally("chain", "cancel", "rent for May", "--yes")
    assert (status, told["state"], told["cancelling"]) == (0, "sent", True)
    manual.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    manual.rpc("anvil_mine", "0x1")
    status, told = tally("chain", "cancel", "rent for May", "--yes")
    assert (status, told["state"], "cancelled" in told["error"]) == (0, "mined", True)
    (listed,) = tally("chain", "outbox")[1]["transactions"]
    assert listed == told
    assert int(manual.rpc("eth_getBalance", FRIEND, "latest"), 16) == 0


def test_what_is_mined_or_unknown_cannot_be_cancelled(tally: Any, workspace: Path) -> None:
    key = tally("chain", "outbox")[1]["transactions"][0]["key"]
    status, error = tally("chain", "cancel", key, "--yes")
    assert (status, error["code"]) == (3, "outbox.too_late")
    status, error = tally("chain", "cancel", "no such key", "--yes")
    assert (status, error["code"]) == (2, "outbox.no_row")
    assert tally("chain", "cancel", key, "--yes", "--max-fee", "0")[0] == 2


def test_the_origins_that_may_ask_are_handed_to_the_server(
    tally: Any, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr("tallystick.services.chain_rpc.serve_chain", lambda *_, **options: served.update(options))
    assert tally("chain", "serve", "--allow-origin", "https://wallet.example")[0] == 0
    assert served["origins"] == ("https://wallet.example",)
    tally("chain", "serve")
    assert served["origins"] == ()
