"""Anvil for tests: a pytest plugin whose fixture `anvil` is the URL of a running node, and a way to start others.

The node is started on a free loopback port and ended by its own process handle. Where anvil is not installed the tests
that need it are skipped; `make test` installs it first.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# the first three of the accounts that anvil derives from its well-known mnemonic, 10,000 ether each
KEYS = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
)


@dataclass(frozen=True)
class Anvil:
    """A running anvil: its URL and chain id."""

    url: str
    chain_id: int

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of one request, or the error object under the key "error"."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            value = json.loads(answer.read())
        return value["result"] if "result" in value else {"error": value["error"]}


def find_anvil() -> Path | None:
    """Return the binary that tools/install_anvil.py installed, or one on PATH."""
    ours = sorted(Path(sys.prefix, "anvil").glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"))
    on_path = shutil.which("anvil")
    return ours[0] if ours else Path(on_path) if on_path else None


@contextlib.contextmanager
def running_anvil(*arguments: str, chain_id: int = 31_337, wait_s: float = 30.0) -> Iterator[Anvil]:
    """Run anvil with Prague rules and `arguments` until the block ends; skips the test where there is no anvil."""
    binary = find_anvil()
    if binary is None:
        pytest.skip("anvil is not installed: run tools/install_anvil.py")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "--hardfork", "prague", "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        node = Anvil(f"http://127.0.0.1:{port}", chain_id)
        deadline = time.monotonic() + wait_s
        while True:
            try:
                node.rpc("eth_chainId")
                break
            except (urllib.error.URLError, ConnectionError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"anvil did not come up, exit status {process.poll()}") from None
                time.sleep(0.05)
        yield node
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    """A fresh anvil for this module's tests, with automatic mining and its own chain id 31337."""
    with running_anvil() as node:
        yield node
