"""A wallet of an agent that tests of commands begin with, and time that passes on its chain."""

from __future__ import annotations

import time
from pathlib import Path

from tallystick.chain.calls import Call
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded.provider import EmbeddedProvider
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.cli.main import run
from tallystick.tally import Tally

FOR = ("--for", "an example")
QUEUE = '[queue]\nthreshold = 1\nopen = 2\ndelay = "0s"\nveto_delay = "0s"\n'


def open_tally(path: Path) -> Tally:
    """Open a workspace whose keys need no passphrase."""
    return Tally.open(path, lambda _: "")


def make_token(path: Path) -> str:
    """Return the address of a new token, of which the workspace's account has a million."""
    with open_tally(path) as opened:
        arguments = ["Example Dollar", "USD", 6, 10**12, opened.account.address]
        return deploy(opened.outbox, "Token", arguments=arguments).address


def address_of(path: Path, name: str) -> str:
    """Return the address of a key."""
    with open_tally(path) as opened:
        return opened.agents.address(name)


def make_sealed(path: Path, folder: Path) -> str:
    """Make the sealed wallet `bot`, which holds 100 of a token, and its policy bot.toml; return the token's address."""
    token, where, file = make_token(path), ("-w", str(path)), str(folder / "bot.toml")
    new = ("--guardian", "guard", "--token", token, "--payee", "shop", "--file", file)
    assert run(["agent", "new", "bot", *where, *new]) == 0
    text = Path(file).read_text("utf-8")
    text = text.replace("[terms]", f'approvers = ["{address_of(path, "boss")}"]\n\n{QUEUE}\n[terms]')
    Path(file).write_text(text.replace("# What raises", "#", 1), "utf-8")
    assert run(["agent", "policy", "apply", "bot", file, "--yes", *where]) == 0
    assert run(["agent", "wallet", "fund", "bot", "100", "--token", token, *where]) == 0
    assert run(["agent", "wallet", "seal", "bot", "--yes", *where]) == 0
    return token


def wait(path: Path, seconds: int) -> None:
    """Let so much time pass on a workspace's chain: one block of then, after which none is earlier."""
    with open_tally(path) as opened:
        ahead = opened.node.block().timestamp + seconds
        provider = EmbeddedProvider(path / "chain.db", clock=lambda: max(ahead, time.time()))
        account = opened.account
    with Node(provider) as node:
        outbox = Outbox(path / "outbox.db", node, account)
        outbox.send_and_wait(Call(account.address, b""), key=f"wait {seconds} at {node.block_number()}")
        outbox.close()
