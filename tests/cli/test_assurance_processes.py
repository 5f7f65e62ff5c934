"""Answers under bond and by committee with every party in a workspace, and at times a process, of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.core.digest import sha256
from tallystick.core.limits import SCRYPT_N_DEVELOPMENT
from tallystick.lithic.artifact import Artifact
from tallystick.lithic.kernel import compile_integer
from tallystick.store.keys import Keyring
from tallystick.store.workspace import EMBEDDED_CHAIN_ID
from tallystick.tally import Tally
from tests.anvil_node import running_anvil
from tests.cli.test_optimistic_commands import ask, lie
from tests.lithic import kernel_models
from tests.services.test_chain_rpc import serving

PARTIES = ("asker", "helper")
PASSPHRASE = "of the test"
PATIENCE_S = 60.0
MODEL = sha256(b"a slow model").hex()
PLAN = f"""
[[model]]
digest = "{MODEL}"
cost = "1000000000000000"
stake_max = "1000000000000000000"
function = "slow_model:answer"
"""
FUNCTION = """
import os
from tallystick.core.errors import Unavailable

def answer(terms, data):
    if not os.path.exists(GO):
        raise Unavailable("node.busy", "not yet")
    return int(data) + 1
"""


def account(party: str) -> Account:
    return Account(sha256(party.encode()))


@pytest.fixture
def chain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A chain over HTTP on which every party has coins: "embedded" or "anvil"."""
    if request.param == "anvil":
        with running_anvil() as node:
            for party in PARTIES:
                node.rpc("anvil_setBalance", account(party).address, hex(10**20))
            yield node.url
        return
    balances = {bytes.fromhex(account(party).address[2:]): 10**20 for party in PARTIES}
    create(tmp_path / "chain.db", Genesis(int(time.time()), chain_id=EMBEDDED_CHAIN_ID, balances=balances))
    servers = serving(EmbeddedProvider(tmp_path / "chain.db"))
    yield next(servers).url
    with contextlib.suppress(StopIteration):
        next(servers)


@pytest.fixture
def places(tally: Any, chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A workspace of each party on the chain, with the contracts; the asker's is the one that commands mean."""
    secret = tmp_path / "passphrase"
    secret.write_text(f"{PASSPHRASE}\n")
    secret.chmod(0o600)
    monkeypatch.setenv("TALLY_PASSPHRASE_FILE", str(secret))
    found = {}
    for party in PARTIES:
        place = tmp_path / (".tally" if party == "asker" else party)
        assert tally("init", str(place), "--chain", chain)[0] == 0
        keys = Keyring(place / "keys", scrypt_n=SCRYPT_N_DEVELOPMENT)
        keys.import_account("main", sha256(party.encode()), lambda _: PASSPHRASE)
        keys.create_account("answers", lambda _: PASSPHRASE)
        assert tally("chain", "deploy", "--workspace", str(place))[0] == 0
        found[party] = place
    return found


class Process:
    """`tally … --json` as a process of its own, whose lines are read as they come."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._errors = folder / "errors"
        command = [sys.executable, "-m", "tallystick", *arguments, "--json"]
        environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors
            )

    def line(self) -> Any:
        """Return the next object that it printed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._errors.read_text()
        return orjson.loads(line)

    def end(self, how: signal.Signals) -> int:
        """Send it a signal, and return its exit status."""
        self._process.send_signal(how)
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.returncode


def told(watcher: Process) -> tuple[str, str]:
    """Return the request that a watcher tells of next, and what became of its claim."""
    one = watcher.line()
    return one["request"], one["deed"]


def until(is_so: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("chain", ["embedded", pytest.param("anvil", marks=pytest.mark.anvil)], indirect=True)
def test_a_watcher_that_was_killed_refutes_what_was_claimed_meanwhile(
    tally: Any, places: dict[str, Path], tmp_path: Path
) -> None:
    made = compile_integer(kernel_models.mlp())
    (tmp_path / "mlp.kernel.json").write_bytes(Artifact.of(made).to_bytes())
    assert tally("lithic", "optimistic", "publish", "mlp.kernel.json")[0] == 0
    helper = ("--workspace", str(places["helper"]))
    watching = ("lithic", "optimistic", "watch", "mlp.kernel.json", "--poll", "0.2", *helper)
    first, second, third = ask(tally), ask(tally), ask(tally)
    with contextlib.ExitStack() as stack:
        watcher = Process(tmp_path, *watching)
        stack.callback(lambda: watcher.end(signal.SIGKILL))
        assert watcher.line()["account"] == account("helper").address
        lie(tmp_path, made, first, PASSPHRASE)
        assert told(watcher) == (first, "refuted")
        assert tally("lithic", "optimistic", "claim", "--yes", "mlp.kernel.json", second)[0] == 0
        assert told(watcher) == (second, "right")
        stack.pop_all()
        assert watcher.end(signal.SIGKILL) == -signal.SIGKILL
    lie(tmp_path, made, third, PASSPHRASE)
    with contextlib.ExitStack() as stack:
        watcher = Process(tmp_path, *watching)
        stack.callback(lambda: watcher.end(signal.SIGKILL))
        watcher.line()
        assert dict(told(watcher) for _ in range(3)) == {first: "gone", second: "right", third: "refuted"}
        assert watcher.line() == {"request": "", "deed": "collect", "detail": "0.5"}  # of both lies
        stack.pop_all()
        assert watcher.end(signal.SIGTERM) == 0
    states = {one["request"]: one["state"] for one in tally("lithic", "optimistic", "show")[1]["requests"]}
    assert states == {first: "open", second: "claimed", third: "open"}


@pytest.mark.parametrize("chain", ["embedded"], indirect=True)
def test_a_node_that_was_killed_answers_what_was_asked_meanwhile(
    tally: Any, places: dict[str, Path], tmp_path: Path
) -> None:
    committee, helper = ("lithic", "committee"), ("--workspace", str(places["helper"]))
    (tmp_path / "slow_model.py").write_text(FUNCTION.replace("GO", repr(str(tmp_path / "go"))))
    (tmp_path / "plan.toml").write_text(PLAN)
    assert tally(*committee, "register", "--bond", "1", *helper)[1]["bond"] == "1"
    answering = ("lithic", "node", "plan.toml", "--poll", "0.2", *helper)
    with contextlib.ExitStack() as stack:
        node = Process(tmp_path, *answering)
        stack.callback(lambda: node.end(signal.SIGKILL))
        assert node.line()["models"] == [MODEL]
        asked = (*committee, "request", MODEL, "--text", "41", "--kind", "number", "--high", "100", "--fee", "0.001")
        status, opened = tally(*asked, "--stake", "0.5")
        assert (status, opened["members"][0]["provider"]) == (0, account("helper").address), opened
        stack.pop_all()
        node.end(signal.SIGKILL)
    (tmp_path / "go").touch()
    request = opened["request"]
    with contextlib.ExitStack() as stack:
        node = Process(tmp_path, *answering)
        stack.callback(lambda: node.end(signal.SIGKILL))
        node.line()
        until(lambda: tally(*committee, "show", request)[1]["state"] == "fulfilled")
        stack.pop_all()
        assert node.end(signal.SIGTERM) == 0
    assert tally(*committee, "receipt", request, "--out", "receipt.json")[0] == 0
    verified = tally("lithic", "verify", "receipt.json", *helper)[1]
    assert (verified["output"], verified["checks_passed"]) == (["42"], verified["checks_total"])
    tally("init", "elsewhere")
    status, found = tally("lithic", "verify", "receipt.json", "--workspace", "elsewhere")  # another chain
    failed = [one["name"] for one in found["checks"] if not one["ok"]]  # though its id is the same
    assert (status, failed[0], failed[-1]) == (1, "standings", "settled answer")


@pytest.mark.anvil
@pytest.mark.parametrize("chain", ["anvil"], indirect=True)
def test_who_asks_again_while_a_payment_is_on_its_way_pays_once(tally: Any, places: dict[str, Path]) -> None:
    assert tally("lithic", "committee", "register", "--bond", "1")[1]["bond"] == "1"
    with Tally.open(places["asker"], lambda _: PASSPHRASE) as opened:
        node, desk = opened.node, opened.lithic.committee()
        call = desk.contract.top_up(opened.account.address, 5, value=5)
        node.request("evm_setAutomine", [False], lambda value, _: value)
        row = opened.outbox.send(call, key=f"Committee {desk.place.address} top up 5 at {node.block_number()}")
        assert row.state != "mined"  # as where a command was interrupted
        mine = threading.Timer(1.0, lambda: node.request("evm_mine", [], lambda value, _: value))
        mine.start()
        desk.top_up(5)
        mine.join()
        node.request("evm_setAutomine", [True], lambda value, _: value)
        assert desk.me().provider.bond == 10**18 + 5
        desk.top_up(5)  # another intent, since the first is mined
        assert desk.me().provider.bond == 10**18 + 10
