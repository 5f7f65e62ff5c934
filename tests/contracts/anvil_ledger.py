"""The ledger of contract tests upon anvil: the same accounts, the same clock that tests turn, the same `send`."""

from __future__ import annotations

import time

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.connect import connect
from tests.contracts.conftest import FEES, Ledger, Mined

GAS = 15_000_000


class AnvilLedger(Ledger):
    """A running anvil; `time` is the timestamp of the next block."""

    def __init__(self, anvil):
        signers = [Account(bytes([n]) * 32) for n in range(1, 9)]
        self.secrets = {one.address: bytes([n]) * 32 for n, one in enumerate(signers, 1)}
        self.accounts = [one.address for one in signers]
        self._signers = {one.address: one for one in signers}
        self.anvil, self.node = anvil, connect(anvil.url)
        self.time, self.chain_id = self.node.block().timestamp + 1_000, anvil.chain_id
        self._nonces = dict.fromkeys(self.accounts, 0)
        for address in self.accounts:
            anvil.rpc("anvil_setBalance", address, hex(10**24))

    def send(self, call, sender):
        if call.to is not None:
            self.call(call.to, call.data, sender=sender, value=call.value)
        fields = TransactionFields(
            chain_id=self.chain_id, nonce=self._nonces[sender], to=call.to, data=call.data, value=call.value, gas=GAS,
            fees=FEES,
        )  # fmt: skip
        self.anvil.rpc("evm_setNextBlockTimestamp", self.time)
        receipt = self._mined(self.node.send_raw(self._signers[sender].sign_transaction(fields).raw))
        assert receipt.succeeded
        self._nonces[sender] += 1
        mined_at, self.time = self.time, self.time + 12
        return Mined(receipt.gas_used, receipt.logs, mined_at, receipt.contract_address)

    def _mined(self, transaction):
        deadline = time.monotonic() + 30
        while (receipt := self.node.receipt(transaction)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return receipt
