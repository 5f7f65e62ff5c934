"""Commands that speak the agents' protocols refuse what is not meant, and end with the status of who must act."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Tally

SHORT = "short"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("agent", "mcp", "call", "ftp://x", "t"), 2, "dialer.url"),
        (("agent", "mcp", "call", "", "t"), 2, "cli.server"),
        (("agent", "mcp", "call", "'", "t"), 2, "cli.server"),
        (("agent", "mcp", "call", "http://127.0.0.1:9/mcp", "t", "[1]"), 2, "cli.arguments"),
        (("agent", "mcp", "call", "http://127.0.0.1:9/mcp", "t", "{"), 2, "cli.arguments"),
        (("agent", "mcp", "call", "http://127.0.0.1:9/mcp", "t", "@absent"), 2, "files.missing"),
        (("agent", "mcp", "call", "http://127.0.0.1:9/mcp", "t", "--max", "1"), 2, "payment.tokens"),
        (("agent", "mcp", "tools", "http://127.0.0.1:9/mcp"), 4, "mcp.unreachable"),
        (("agent", "mcp", "serve", "--price", "chain_status=1"), 2, "cli.usage"),
        (("agent", "mcp", "serve", "--price", "chain_status", "--token", "0x" + "11" * 20), 2, "cli.price"),
        (("agent", "mcp", "serve", "--wallet", "bot"), 2, "cli.usage"),
        (("agent", "mcp", "serve", "--http", "0", "--wallet", "bot", "--session", "bot"), 2, "mcp.open_wallet"),
        (("agent", "mcp", "serve", "--http", "0", "--host", "0.0.0.0"), 2, "listener.public"),
        (("agent", "a2a", "verify", "http://127.0.0.1:9"), 4, "a2a.unreachable"),
        (("agent", "a2a", "verify", "x"), 2, "dialer.url"),
        (("agent", "a2a", "send", "http://127.0.0.1:9", "s", "7"), 2, "cli.arguments"),
        (("agent", "a2a", "send", "http://127.0.0.1:9", "s"), 4, "a2a.unreachable"),
        (("agent", "a2a", "serve", "seven"), 2, "agent.reference"),
        (("agent", "a2a", "serve", "0", "--caller", "ada"), 3, "erc721: no such token"),
        (("agent", "a2a", "card", "7"), 3, "erc721: no such token"),
    ],
    ids=lambda one: " ".join(one[1:4]) if isinstance(one, tuple) else str(one),
)
def test_what_is_not_meant_is_refused(
    tally: Tally, workspace: Path, arguments: tuple[str, ...], status: int, code: str
) -> None:
    found, told = tally(*arguments)
    assert (found, told["code"]) == (status, code)


def test_a_secret_that_can_be_guessed_or_read_by_others_is_refused(
    tally: Tally, workspace: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(SHORT)
    assert tally("agent", "mcp", "serve", "--http", "0", "--token-file", str(secret))[1]["code"] == "mcp.token"
    secret.write_text("s" * 40)
    secret.chmod(0o644)
    status, told = tally("agent", "mcp", "serve", "--http", "0", "--token-file", str(secret))
    assert status == 2
    assert told["code"].startswith("files.")


def test_a_card_is_signed_only_by_the_key_that_is_the_agents_on_chain(tally: Tally, workspace: Path) -> None:
    place = "http://127.0.0.1:8766/.well-known/agent-card.json"
    agent = str(tally("agent", "identity", "register", "oracle", "--service", f"A2A={place}")[1]["agent_id"])
    bare = str(tally("agent", "identity", "register", "mute")[1]["agent_id"])
    assert tally("agent", "a2a", "card", agent)[1]["code"] == "a2a.key"
    assert tally("agent", "identity", "set-key", agent, "a2a")[0] == 0
    status, made = tally("agent", "a2a", "card", agent)
    assert status == 0
    assert '"signatures"' in made["card"]
    assert tally("agent", "a2a", "card", agent, "--key", "other")[1]["code"] == "a2a.key"
    assert tally("agent", "a2a", "card", bare)[1]["code"] == "a2a.place"
    assert tally("agent", "a2a", "serve", agent, "--price", "pay=1", "--token", "0x" + "11" * 20)[0] != 0


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("mcp", ("mcp", "tools", "http://127.0.0.1:9/mcp")),
        ("a2a", ("a2a", "verify", "http://127.0.0.1:9")),
        ("uvicorn", ("mcp", "serve", "--http", "0")),
    ],
)
def test_without_the_extra_the_command_says_what_to_install_and_others_work(
    workspace: Path, missing: str, arguments: tuple[str, ...]
) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None; from tallystick.cli.main import run;"
        f" assert run(['chain', 'info', '--json']) in (0, 2); sys.exit(run(['agent', *{arguments!r}, '--json']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=workspace.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == "agents.extra"
    assert "tallystick[agents]" in told["hint"]


def test_other_commands_load_no_package_of_the_extra() -> None:
    program = (
        "import sys, tallystick; from tallystick.cli.main import run; run(['agent', 'mcp', '--help']);"
        " print(sorted({'mcp', 'a2a', 'x402', 'uvicorn', 'starlette', 'jsonschema', 'jwt'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
