"""Three nodes, three processes, three keystores, one chain over HTTP; they are paid in a token, and one is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import orjson
import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import Committee, Terms
from tallystick.chain.coin import Coin
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import sha256
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.receipt import build_receipt
from tallystick.lithic.committee.request import NO_DEMAND, NOBODY, ask_terms
from tallystick.lithic.receipts.checking import check_receipt
from tallystick.store.workspace import Config
from tallystick.tally import Tally
from tests.contracts.token_kit import put_token
from tests.services.test_chain_rpc import serving

MODEL, DATA = sha256(b"a slow model"), b"41"
BOND, FEE, STAKE, PURSE = 2_500_000, 1_000, 100_000, 10_000_000  # of a token with six decimals
PASSPHRASE = "three nodes"
PATIENCE_S = 90.0

# Adds one; the second and third node wait for a file, so that the test can kill the first between its two steps.
FUNCTIONS = """
import os
from tallystick.core.errors import Unavailable

def at_once(terms, data):
    return int(data) + 1

def when_told(terms, data):
    if not os.path.exists(GO):
        raise Unavailable("node.busy", "not yet")
    return int(data) + 1

def otherwise(terms, data):
    return 0
"""

PLAN = f"""
coin = "{{coin}}"
[[model]]
digest = "{MODEL.hex()}"
cost = "{FEE}"
stake_max = "{STAKE}"
function = "toy_model:{{function}}"
"""


def account(number):
    return Account(sha256(f"node {number}".encode()))


@pytest.fixture
def chain(tmp_path):
    """A served chain on which everybody has coins."""
    path = tmp_path / "chain.db"
    balances = {bytes.fromhex(account(number).address[2:]): 10**20 for number in range(4)}
    create(path, Genesis(int(time.time()), balances=balances))
    servers = serving(EmbeddedProvider(path))
    yield next(servers).url
    with contextlib.suppress(StopIteration):
        next(servers)


class Nodes:
    """Three workspaces and the processes that run on them."""

    def __init__(self, folder, url, contract, coin, chain_id):
        self.folder, self.contract, self.coin = folder, contract, coin
        self.running = {}
        (folder / "passphrase").write_text(PASSPHRASE)
        (folder / "passphrase").chmod(0o600)
        (folder / "toy_model.py").write_text(FUNCTIONS.replace("GO", repr(str(folder / "go"))))
        for number in (1, 2, 3):
            with Tally.create(folder / f"ws{number}", lambda _: PASSPHRASE, Config(url, chain_id)) as tally:
                keys = tally.workspace.keyring
                keys.import_account("main", sha256(f"node {number}".encode()), lambda _: PASSPHRASE)
                keys.create_account("answers", lambda _: PASSPHRASE)

    def start(self, number, function):
        plan = self.folder / f"plan{number}.toml"
        plan.write_text(PLAN.format(function=function, coin=self.coin))
        command = [sys.executable, "-m", "tallystick", "lithic", "node", str(plan), "--json", "--bond", "2.5"]
        command += ["--contract", self.contract, "--poll", "0.2", "--workspace", str(self.folder / f"ws{number}")]
        environment = os.environ | {
            "TALLY_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "PYTHONPATH": str(self.folder),
        }
        with (self.folder / f"errors{number}").open("ab") as errors:
            self.running[number] = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors)

    def ready(self, number):
        """Return what the node said when it was ready."""
        line = self.running[number].stdout.readline()
        assert line, (self.folder / f"errors{number}").read_text()
        return orjson.loads(line)

    def end(self, number, how):
        process = self.running.pop(number)
        process.send_signal(how)
        process.wait(30)
        process.stdout.close()
        return process.returncode

    def close(self):
        for number in list(self.running):
            self.end(number, signal.SIGKILL)


def until(is_so):
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_three_processes_answer_though_one_is_killed_between_commitment_and_reveal(chain, tmp_path):
    with contextlib.ExitStack() as stack:
        node = connect(chain)
        stack.callback(node.close)
        outbox = stack.enter_context(Outbox(tmp_path / "consumer.db", node, account(0)))
        coin = Coin(put_token(outbox, [account(number).address for number in range(4)], PURSE))
        contract = Committee(node, deploy(outbox, "Committee", arguments=[coin.address]).address)
        nodes = Nodes(tmp_path, chain, contract.address, coin.address, node.chain_id)
        stack.callback(nodes.close)
        for number, function in ((1, "at_once"), (2, "when_told"), (3, "when_told")):
            nodes.start(number, function)
        said = [nodes.ready(number) for number in (1, 2, 3)]
        assert [one["provider"] for one in said] == [account(number).address for number in (1, 2, 3)]
        assert len({one["signer"] for one in said}) == 3
        assert [(one["bond"], one["coin"]["address"]) for one in said] == [("2.5", coin.address)] * 3

        members = tuple(one["provider"] for one in said)
        terms = Terms(
            model_digest=MODEL, input_digest=sha256(DATA), demand=NO_DEMAND, kernel=NOBODY, output_index=0,
            kind=int(OutputKind.NUMBER), low=0, high=100, tolerance=0, members=members, threshold=3, fee=2 * FEE,
            stake=STAKE, commit_s=300, reveal_s=300,
        )  # fmt: skip
        coin.approve(outbox, contract.address, 3 * terms.fee)
        opening = contract.ask(1, ask_terms(terms), DATA, value=0)
        outbox.send_and_wait(opening, key="ask")
        request = contract.request_id_of(account(0).address, 1, terms)

        until(lambda: contract.request_at(request).commits == 1)
        nodes.end(1, signal.SIGKILL)
        nodes.start(1, "otherwise")  # it would answer something else now
        nodes.ready(1)
        (tmp_path / "go").touch()
        until(lambda: contract.request_at(request).state != 1)

        state = contract.request_at(request)
        assert (state.state, state.output, state.cost) == (2, 42, 3 * FEE)
        for member in members:
            provider = contract.provider_at(member)
            assert (provider.bond, provider.locked) == (BOND, 0)
            assert coin.balance(node, member) in (PURSE - BOND, PURSE - BOND + FEE)  # what it earned it may have by now
            assert coin.allowance(node, member, contract.address) == 0
        logs = node.logs(contract.address, [None, request], from_block=0)
        receipt = build_receipt(contract, node.chain_id, request, logs)
        assert check_receipt(receipt, node=node).ok
        assert receipt.answer.output == (42,)
        assert receipt == type(receipt).from_bytes(receipt.to_bytes())
        assert replace(receipt, evidence=replace(receipt.evidence, votes=())) != receipt
        assert [nodes.end(number, signal.SIGTERM) for number in (1, 2, 3)] == [0, 0, 0]
