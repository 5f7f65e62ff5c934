"""The embedded ledger and anvil side by side: one transaction to both, everything visible compared."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anvil_node import Anvil

from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.embedded.accounts import EMPTY_CODE, NOBODY
from tallystick.chain.embedded.params import LATEST
from tallystick.chain.embedded.rpc_state import read_message
from tallystick.chain.embedded.simulate import Simulation
from tests.chain.differential.programs import CHAIN_ID, Author, Step
from tests.chain.differential.state_shape import count_leaves

START = 1_700_000_000
GAS_LIMIT = 1_000_000_000
FUNDS = 10_000 * 10**18


class Opcodes(dict[int, Any]):
    """The rules' instructions, counting each that runs."""

    def __init__(self, opcodes: dict[int, Any]) -> None:
        super().__init__(opcodes)
        self.counts: Counter[int] = Counter()

    def __getitem__(self, code: int) -> Any:
        self.counts[code] += 1
        return super().__getitem__(code)


@dataclass
class Tally:
    """What a run has covered."""

    steps: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)


class Disagreement(AssertionError):
    """The two differ; the message says where, and what each says."""


class Pair:
    """One chain on both sides, from genesis."""

    def __init__(self, path: Path, anvil: Anvil, poor: Sequence[str] = ()) -> None:
        """Begin a chain on both sides; `poor` are addresses that own one wei.

        They exist because anvil refunds EIP-7702's account charge for authorities that do not; see the test of that.
        """
        self._now = START
        balances = {bytes.fromhex(person[2:]): FUNDS for person in anvil.rpc("eth_accounts")}
        for person in poor:
            balances[bytes.fromhex(person[2:])] = 1
            anvil.rpc("anvil_setBalance", person, "0x1")
        create(path, Genesis(timestamp=START, chain_id=CHAIN_ID, gas_limit=GAS_LIMIT, balances=balances))
        self.provider = EmbeddedProvider(path, clock=lambda: self._now)
        self.node = self.provider.node
        self.anvil = anvil

    def close(self) -> None:
        self.provider.close()

    def nonce_of(self, address: bytes) -> int:
        """Return an address's nonce on the embedded ledger."""
        accounts = self.node.ledger.accounts(self.node.ledger.head())
        return (accounts.account(address) or NOBODY).nonce

    def run(self, author: Author, length: int, tally: Tally) -> None:
        """Write and play `length` steps, comparing after each, then the whole state."""
        for number in range(length):
            step = author.step()
            try:
                tally.outcomes[self.play(step)] += 1
            except Disagreement as error:
                raise Disagreement(f"step {number} ({step.about}): {error}\n{step.fields}") from None
            tally.steps[step.about] += 1
        self.compare_state()

    def play(self, step: Step) -> str:
        """Send one transaction to both and compare what came of it; returns the outcome in a word."""
        raw = "0x" + step.sign().hex()
        self._now += 12
        head = self.node.ledger.head()
        base_fee = self.node.next_header(head).base_fee
        self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        self.anvil.rpc("evm_setNextBlockTimestamp", hex(self._now))
        before = None if step.refused else self._simulate(step)
        ours: Any = self.provider.make_request("eth_sendRawTransaction", [raw])  # type: ignore[arg-type]
        theirs = self.anvil.rpc("eth_sendRawTransaction", raw)
        if "error" in ours:
            return self._both_refused(ours["error"], theirs)
        if isinstance(theirs, dict):
            raise Disagreement(f"anvil refuses what the ledger took: {theirs['error']}")
        if step.refused:
            raise Disagreement("the ledger took what it must refuse")
        self._equal("hash", ours["result"], theirs)
        mine = self._ours("eth_getTransactionReceipt", theirs)
        self.anvil.rpc("evm_mine")
        peer = self.anvil.rpc("eth_getTransactionReceipt", theirs)
        if peer is None:
            raise Disagreement("anvil took the transaction and did not mine it")
        for name in ("status", "gasUsed", "cumulativeGasUsed", "type", "from", "to", "contractAddress", "logsBloom",
                     "effectiveGasPrice", "transactionIndex", "blockNumber"):  # fmt: skip
            self._equal(name, mine[name], peer[name])
        for name in ("address", "topics", "data", "logIndex"):
            self._equal(f"log {name}", [log[name] for log in mine["logs"]], [log[name] for log in peer["logs"]])
        self._compare_output(step, before, theirs)
        return "succeeded" if mine["status"] == "0x1" else "reverted" if before and before[1] else "failed"

    def _both_refused(self, mine: Any, theirs: Any) -> str:
        """Check that anvil refuses too, or keeps the transaction in its pool for ever: no block may hold it."""
        if not isinstance(theirs, dict):
            snapshot = self.anvil.rpc("evm_snapshot")
            self.anvil.rpc("evm_mine")
            receipt = self.anvil.rpc("eth_getTransactionReceipt", theirs)
            self.anvil.rpc("evm_revert", snapshot)
            self.anvil.rpc("anvil_dropAllTransactions")
            if receipt is not None:
                raise Disagreement(f"the ledger refuses what anvil mined: {mine}")
        return "refused"

    def _simulate(self, step: Step) -> tuple[bytes, bool] | None:
        """Return (output, whether it reverted) of the transaction, tried just before it is sent."""
        shown = {
            "from": step.sender.address,
            "data": "0x" + step.fields["data"].hex(),
            "value": hex(step.fields["value"]),
            "gas": hex(step.fields["gas"]),
        }
        if step.fields["to"] is not None:
            shown["to"] = "0x" + step.fields["to"].hex()
        for name in ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"):
            if name in step.fields:
                shown[name] = hex(step.fields[name])
        if "accessList" in step.fields:
            shown["accessList"] = step.fields["accessList"]
        if "authorizationList" in step.fields:
            shown["authorizationList"] = [
                {
                    "chainId": hex(item.chain_id),
                    "address": "0x" + bytes(item.address).hex(),
                    "nonce": hex(item.nonce),
                    "yParity": hex(item.y_parity),
                    "r": hex(item.r),
                    "s": hex(item.s),
                }
                for item in step.fields["authorizationList"]
            ]
        head = self.node.require(LATEST)
        simulation = Simulation(
            self.node.ledger,
            self.node.ledger.accounts(head),
            self.node.next_header(head),
            read_message(shown, CHAIN_ID),
        )
        try:
            computation = simulation.run(step.fields["gas"])
        except Exception as error:  # noqa: BLE001  sending will say what is wrong
            return (repr(error).encode(), False)
        reverted = computation.is_error and type(computation.error).__name__ == "Revert"
        return bytes(computation.output), reverted

    def _compare_output(self, step: Step, before: tuple[bytes, bool] | None, tx_hash: str) -> None:
        trace = self.anvil.rpc("debug_traceTransaction", tx_hash, {"tracer": "callTracer"})
        theirs = bytes.fromhex(trace.get("output", "0x")[2:])
        if before is None:
            return
        self._equal("output", before[0].hex(), theirs.hex())
        self._equal("reverted", before[1], trace.get("error") == "execution reverted")

    def compare_state(self) -> None:
        """Compare every account that anvil knows, and the ledger's state root with one computed from anvil's."""
        dump = json.loads(gzip.decompress(bytes.fromhex(self.anvil.rpc("anvil_dumpState")[2:])))
        accounts = self.node.ledger.accounts(self.node.ledger.head())
        for name, theirs in dump["accounts"].items():
            address = bytes.fromhex(name[2:])
            mine = accounts.account(address) or NOBODY
            if name not in SYSTEM:
                self._equal(f"nonce of {name}", mine.nonce, int(theirs["nonce"]))
            self._equal(f"balance of {name}", mine.balance, int(theirs["balance"], 16))
            code = b"" if mine.code_hash == EMPTY_CODE else accounts.get_code(address)
            self._equal(f"code of {name}", code.hex(), theirs["code"][2:])
            if name == HISTORY:
                continue  # parent hashes differ: the state roots do
            for slot, value in theirs["storage"].items():
                self._equal(f"{name}[{slot}]", accounts.get_storage(address, int(slot, 16)), int(value, 16))
        self._equal_storage_roots(dump, accounts)

    def _equal_storage_roots(self, dump: Any, accounts: Any) -> None:
        """Nothing is on our side that anvil lacks: the tries have as many accounts, and each as many slots."""
        head = self.node.ledger.head()
        live = {
            name: item
            for name, item in dump["accounts"].items()
            if int(item["nonce"]) or int(item["balance"], 16) or item["code"] != "0x" or name in SYSTEM
        }
        self._equal("number of accounts", count_leaves(self.node.ledger.file.node, head.header.state_root), len(live))
        for name, item in live.items():
            account = accounts.account(bytes.fromhex(name[2:])) or NOBODY
            slots = sum(1 for value in item["storage"].values() if int(value, 16))
            self._equal(f"slots of {name}", count_leaves(self.node.ledger.file.node, account.storage_root), slots)

    def _ours(self, method: str, *params: Any) -> Any:
        return self.provider.make_request(method, list(params))["result"]  # type: ignore[arg-type]

    @staticmethod
    def _equal(what: str, ours: Any, theirs: Any) -> None:
        if ours != theirs:
            raise Disagreement(f"{what}: the ledger says {ours}, anvil says {theirs}")


HISTORY = "0x0000f90827f1c53a10cb7a02335b175320002935"
SYSTEM = (HISTORY, "0x4e59b44847b379578588920ca78fbf26c0b4956c")
