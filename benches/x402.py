"""Payments settled by our facilitator, beside the stock one of the PyPI package x402 on the same ledger.

The ledger is an embedded chain served over HTTP by a process of its own; both facilitators are in this process, each
with its own account, and reach the ledger by HTTP. Every payment is verified and then settled, as a seller's server
does. The peer keeps its nonces in memory and forgets a payment when it stops; ours writes every transaction down first.
`python -m benches.x402 FOLDER` is the ledger's process.
"""

from __future__ import annotations

import os
import secrets
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benches import scratch

QUESTION = "How many payments of x402 are settled a second, and what does one add to a request?"

AT_ONCE = 16
_BRINGERS = (b"\x01" * 32, b"\x02" * 32)
_PAYER = b"\x03" * 32
_CHAIN = 1_337


def run(quick: bool) -> dict[str, Any]:
    """Measure settled payments per second, sixteen at once, and the time of one alone."""
    count = 24 if quick else 160
    with scratch() as folder, _Ledger(folder) as url:
        market = _Market(folder, url)
        ours = _figures(market.ours(), market, count)
        peer = _figures(market.theirs(url), market, count)
        market.close()
    notes = [
        f"Verified, then settled and waited for until mined; {AT_ONCE} payments at once, then one alone (p50).",
        "Both over HTTP to one served embedded chain, which fsyncs every block. Ours shares blocks among payments that "
        "wait; the peer mines one each. added_p50_ms is what a paid request waits for its payment.",
        "Peer: ExactEvmFacilitatorScheme with FacilitatorWeb3Signer, PyPI package x402. It verifies at once and "
        "settles one by one: it hands transactions over in any order, and this ledger, which keeps no queue, refuses a "
        "nonce that comes early; on a node with a queue it would settle several to a block.",
    ]
    return {"figures": ours, "peer": peer, "notes": notes}


Settle = Callable[[Any], str]


def _figures(settle: Settle, market: _Market, count: int) -> dict[str, float]:
    settle(market.payment())  # warm
    waiting = [market.payment() for _ in range(count)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        began = time.perf_counter()
        hashes = list(threads.map(settle, waiting))
        took_s = time.perf_counter() - began
    assert len(set(hashes)) == count
    alone = []
    for _ in range(count // 4):
        payment = market.payment()
        began = time.perf_counter()
        settle(payment)
        alone.append(time.perf_counter() - began)
    return {"settled_per_s": count / took_s, "added_p50_ms": 1e3 * statistics.median(alone)}


class _Market:
    """A token on the ledger, a payer with plenty of it, and payments that it signs."""

    def __init__(self, folder: Path, url: str) -> None:
        from tallystick.agents.payments.operation import Operation
        from tallystick.agents.payments.terms import Price, Terms
        from tallystick.chain.accounts import Account
        from tallystick.chain.connect import connect
        from tallystick.chain.deploy import deploy
        from tallystick.chain.outbox import Outbox

        self.folder, self.node = folder, connect(url)
        self.payer = Account(_PAYER)
        self.outbox = Outbox(folder / "outbox.db", self.node, Account(_BRINGERS[0]))
        arguments = ["Dollar", "USD", 6, 10**15, self.payer.address]
        self.token = deploy(self.outbox, "Token", arguments=arguments).address
        price = Price.of_token(self.node, self.token, 100, "0x" + "77" * 20)
        (self.requirements,) = Terms((price,)).requirements(Operation.of_http("GET", "http://shop.test/"))

    def payment(self) -> Any:
        from tallystick.agents.payments.exact import ExactPayment, domain_of
        from tallystick.agents.payments.wire import Payment
        from tallystick.core.authorization import Authorization

        one = Authorization(
            self.payer.address, self.requirements.pay_to, 100, 0, int(time.time()) + 600, secrets.token_bytes(32)
        )
        signature = self.payer.sign_digest(one.digest(domain_of(self.requirements)))
        return Payment(self.requirements, ExactPayment(one, signature).to_payload())

    def ours(self) -> Settle:
        from tallystick.agents.payments.failures import Failures
        from tallystick.agents.payments.settling import ExactScheme
        from tallystick.agents.payments.verifying import Allowed

        failures = Failures(self.folder / "failures.db")
        scheme = ExactScheme(self.outbox, Allowed(frozenset({self.token})), failures, time.time)

        def settle(payment: Any) -> str:
            assert scheme.verify(payment, payment.accepted).is_valid
            return str(scheme.settle(payment, payment.accepted).transaction)

        return settle

    def theirs(self, url: str) -> Settle:
        from x402.mechanisms.evm import FacilitatorWeb3Signer
        from x402.mechanisms.evm.exact import ExactEvmFacilitatorScheme
        from x402.schemas import PaymentPayload, PaymentRequirements

        one_at_a_time = threading.Lock()
        scheme = ExactEvmFacilitatorScheme(FacilitatorWeb3Signer("0x" + _BRINGERS[1].hex(), url))

        def settle(payment: Any) -> str:
            payload = PaymentPayload.model_validate(payment.to_dict())
            asked = PaymentRequirements.model_validate(dict(payment.accepted.raw))
            verdict = scheme.verify(payload, asked)
            assert verdict.is_valid, verdict
            with one_at_a_time:
                told = scheme.settle(payload, asked)
            assert told.success, told
            return str(told.transaction)

        return settle

    def close(self) -> None:
        self.outbox.close()
        self.node.close()


class _Ledger:
    """The served chain, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        command = [sys.executable, "-m", "benches.x402", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=30)


def _serve(folder: Path) -> None:
    from tallystick.chain.accounts import Account
    from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
    from tallystick.services.chain_rpc import serve_chain

    rich = {bytes.fromhex(Account(secret).address[2:]): 10**24 for secret in (*_BRINGERS, _PAYER)}
    create(folder / "chain.db", Genesis(int(time.time()) - 10, _CHAIN, balances=rich))

    def ready(host: str, port: int) -> None:
        print(f"http://{host}:{port}", flush=True)

    serve_chain(EmbeddedProvider(folder / "chain.db"), port=0, ready=ready)


if __name__ == "__main__":
    os.umask(0o077)
    _serve(Path(sys.argv[1]))
