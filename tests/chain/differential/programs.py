"""Random programs of transactions: what is sent, by whom, in which order. One seed, one program."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth._utils.address import generate_contract_address
from eth_account import Account
from eth_account.signers.local import LocalAccount

from tests.chain.differential.bytecode import World, Writer, initcode
from tests.chain.differential.precompiles import precompile_input

CHAIN_ID = 31_337
POOR = (bytes([201]) * 32, bytes([202]) * 32)  # keys of two people with one wei each
DEPLOYER = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")


@dataclass
class Step:
    """One transaction: who signs what, what it is about, and whether every node must refuse it."""

    sender: LocalAccount
    fields: dict[str, Any]
    about: str
    refused: bool = False

    def sign(self) -> bytes:
        """Return the raw transaction."""
        fields = {"chainId": CHAIN_ID, **self.fields}
        if fields["to"] is None:
            del fields["to"]
        return bytes(self.sender.sign_transaction(fields).raw_transaction)


class Author:
    """Writes one program, step by step; `nonce_of` tells an address's nonce before the step that is being written."""

    def __init__(self, seed: int, keys: tuple[str, ...], nonce_of: Callable[[bytes], int]) -> None:
        self.rng = random.Random(seed)
        self._nonce_of = nonce_of
        self.people: list[LocalAccount] = [Account.from_key(key) for key in (*keys, *POOR)]
        self._rich = len(keys)
        self.world = World(people=[_address(person) for person in self.people])
        self._written = 0

    def step(self) -> Step:
        """Return the next step; the first two deploy something to talk to."""
        self._written += 1
        if self._written <= 2:
            return self._deploy()
        kinds = (self._deploy, self._call, self._transfer, self._precompile, self._create2, self._delegate, self._bad)
        return self.rng.choices(kinds, (3, 9, 2, 3, 1, 2, 2))[0]()

    def _deploy(self) -> Step:
        rng = self.rng
        sender = self._someone()
        writer = Writer(rng, self.world)
        # most constructors only return code, some do things
        code = writer.program(rng.randrange(1, 25))
        data = initcode(code) if rng.random() < 0.7 else code
        address = generate_contract_address(_address(sender), self._nonce_of(_address(sender)))
        self.world.contracts.append(bytes(address))
        return self._send(
            sender, "deploy", to=None, data=data, value=rng.choice((0, 0, 0, 5, 10**18)), gas=self._gas(2_000_000)
        )

    def _call(self) -> Step:
        rng = self.rng
        fields = {"to": self.world.address(rng), "data": self._data(), "value": rng.choice((0, 0, 1, 10**15))}
        return self._send(self._someone(), "call", **fields, gas=self._gas(1_500_000))

    def _transfer(self) -> Step:
        value = self.rng.choice((0, 1, 10**17))
        to = self.rng.choice(self.world.people)
        return self._send(
            self._someone(), "transfer", to=to, data=b"", value=value, gas=self.rng.choice((21_000, 50_000))
        )

    def _precompile(self) -> Step:
        number, data = precompile_input(self.rng)
        fields = {"to": number.to_bytes(20, "big"), "data": data, "value": self.rng.choice((0, 0, 3))}
        return self._send(self._someone(), f"precompile {number:#x}", **fields, gas=self._gas(1_000_000))

    def _create2(self) -> Step:
        code = initcode(Writer(self.rng, self.world).program(self.rng.randrange(1, 10)))
        data = self.rng.randrange(2).to_bytes(32, "big") + code
        return self._send(self._someone(), "create2", to=DEPLOYER, data=data, value=0, gas=2_000_000)

    def _delegate(self) -> Step:
        """EIP-7702: one or two accounts point themselves somewhere, sometimes wrongly."""
        rng = self.rng
        sender = self._someone()
        entries = []
        taken: dict[str, int] = {sender.address: 1}  # the sender's nonce has gone up by then
        for _ in range(rng.randrange(1, 4)):
            who = rng.choice(self.people)
            nonce = self._nonce_of(_address(who)) + taken.get(who.address, 0)
            bad = rng.random()
            chain = 1 if bad < 0.08 else rng.choice((0, CHAIN_ID))
            if bad > 0.92:
                nonce += rng.choice((1, 5))
            target = bytes(20) if rng.random() < 0.15 else self.world.address(rng)
            entries.append(who.sign_authorization({"chainId": chain, "address": target, "nonce": nonce}))
            if 0.08 <= bad <= 0.92:
                taken[who.address] = taken.get(who.address, 0) + 1
        fields = {"to": rng.choice(self.world.people), "data": self._data(), "value": rng.choice((0, 2))}
        return self._send(sender, "delegate", **fields, authorizationList=entries, gas=self._gas(1_000_000))

    def _bad(self) -> Step:
        """Send what no node may accept."""
        rng = self.rng
        sender = self._someone()
        fields: dict[str, Any] = {"to": rng.choice(self.world.people), "data": b"", "value": 0, "gas": 30_000}
        kind = rng.choice(("old nonce", "no money", "little gas", "poor", "other chain", "little fee", "floor"))
        if kind == "old nonce":
            nonce = self._nonce_of(_address(sender))
            if not nonce:
                return self._transfer()
            fields["nonce"] = nonce - 1
        elif kind == "no money":
            fields["value"] = 10**30
        elif kind == "little gas":
            fields["gas"] = 20_999
        elif kind == "poor":
            sender = self.people[-1]
            fields["value"] = 10**20
        elif kind == "other chain":
            fields["chainId"] = 5
        elif kind == "floor":
            fields |= {"data": b"\xff" * 1000, "gas": 40_000}
        fees = {"maxFeePerGas": 6 if kind == "little fee" else 3 * 10**9, "maxPriorityFeePerGas": 0}
        step = self._send(sender, kind, **fees, **fields)
        step.refused = True
        return step

    def _someone(self) -> LocalAccount:
        return self.people[self.rng.randrange(self._rich)]

    def _data(self) -> bytes:
        return self.rng.randbytes(self.rng.choice((0, 0, 4, 36, 100)))

    def _gas(self, plenty: int) -> int:
        roll = self.rng.random()
        return plenty if roll < 0.8 else self.rng.randrange(90_000, 250_000) if roll < 0.97 else 60_000

    def _send(self, sender: LocalAccount, about: str, **fields: Any) -> Step:
        rng = self.rng
        kind = rng.random()
        if "maxFeePerGas" not in fields:
            if "authorizationList" in fields or kind < 0.6:
                fields |= {"maxFeePerGas": 3 * 10**9, "maxPriorityFeePerGas": rng.choice((0, 1, 10**9))}
            else:
                fields["gasPrice"] = 2 * 10**9
        if "chainId" not in fields and rng.random() < 0.3:
            fields["accessList"] = self._access_list()
            if "gas" in fields and fields["gas"] < 100_000:
                fields.pop("accessList")
        fields.setdefault("nonce", self._nonce_of(_address(sender)))
        return Step(sender, fields, about)

    def _access_list(self) -> list[dict[str, Any]]:
        rng = self.rng
        return [
            {
                "address": "0x" + self.world.address(rng).hex(),
                "storageKeys": ["0x" + rng.randrange(4).to_bytes(32, "big").hex() for _ in range(rng.randrange(3))],
            }
            for _ in range(rng.randrange(1, 4))
        ]


def _address(person: LocalAccount) -> bytes:
    return bytes.fromhex(person.address[2:])
