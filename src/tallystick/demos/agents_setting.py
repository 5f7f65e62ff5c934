"""Where the agents' story happens: a workspace with everybody's keys, a token, and a wallet with a budget of 5.00.

Each role has a key of its own, and what one may do with another's is for the contracts to say. The budget is the most
that the session can spend alone in its day: 3.00 from its bucket, which never refills, and two periods of 20 slots of
0.05, which sign payments over x402.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.agents.policy.document import (
    Constraint,
    Payee,
    Policy,
    Queue,
    Rates,
    Rule,
    Session,
    Slots,
    Terms,
    Token,
)
from tallystick.agents.policy.nouns import Level
from tallystick.agents.policy.signatures import parse_call
from tallystick.agents.policy.writing import write_policy
from tallystick.chain.coin import Coin, read_coin
from tallystick.chain.funding import fund_from_unlocked
from tallystick.core.limits import SCRYPT_N_DEVELOPMENT
from tallystick.demos.places import Places
from tallystick.store.files import write_atomic
from tallystick.store.keys import Keyring
from tallystick.store.workspace import EMBEDDED, Config, Workspace
from tallystick.tally import Tally
from tallystick.tally.inference import LOG_KEY, TICKET_KEY
from tallystick.tally.workspace import ACCOUNT, SIGNER

HOUR_S: Final = 3_600
DAY_S: Final = 86_400
UNIT: Final = 10**6  # of the token
WALLET: Final = "lab"
AGENT, GUARDIAN, APPROVER = "agent", "guardian", "approver"
PAYEES: Final = ("careful", "quick", "library")
CLIENTS: Final = ("ann", "ben")  # people whom the agent's owner knows
FANS: Final = ("fan-one", "fan-two")  # accounts that the quick service made for itself
THIEF: Final = "0xbaDBad00bADBAd00BaDBAD00badBAD00BAdbad00"

HELD: Final = 20 * UNIT  # what the wallet holds: the budget is less
BUCKET: Final = Rates(3 * UNIT, 3 * UNIT, DAY_S, 3 * UNIT)
SLOTS, SLOT_CAP = 20, UNIT // 20

_FUNDS_WEI: Final = 10**18
_OPEN: Final = "0x0af0d5bd"  # `open` of PaymentChannels: payee is word 1, the key that signs 2, the delay 3, amount 6


@dataclass(frozen=True)
class Setting:
    """The workspace, and the token that everybody is paid in."""

    tally: Tally
    places: Places
    coin: Coin

    def address(self, key: str) -> str:
        """Return who a key is."""
        return self.tally.agents.address(key)

    def environment(self) -> dict[str, str]:
        """Return what another process needs to open the keys."""
        passphrase = self.places.private / "passphrase"
        return {"TALLY_PASSPHRASE_FILE": str(passphrase)} if passphrase.exists() else {}

    @property
    def policy_file(self) -> Path:
        """Where the policy lies, for people and commands."""
        return self.places.root / f"{WALLET}.policy.toml"


def open_workspace(places: Places, rpc: str | None) -> Tally:
    """Return the workspace; on a node with keys of its own and coins from the node's account.

    raises  Unavailable "funding.none" when a node has no account that pays for us
    """
    if rpc is None:
        return Tally.create(places.workspace, lambda _: "", Config(EMBEDDED, blobs=str(places.evidence)))
    Workspace.create(places.workspace, Config(rpc, Tally.chain_id_of(rpc), str(places.evidence)))
    passphrase = secrets.token_urlsafe(24)
    write_atomic(places.private / "passphrase", f"{passphrase}\n".encode(), mode=0o600)
    # keys of a story on a development node: opened hundreds of times, and their coins are worth nothing
    keys = Keyring(places.workspace / "keys", scrypt_n=SCRYPT_N_DEVELOPMENT)
    paying = (ACCOUNT, AGENT, GUARDIAN, APPROVER, *PAYEES, *CLIENTS, *FANS)
    for name in (*paying, TICKET_KEY):
        keys.create_account(name, lambda _: passphrase)
    for name in (SIGNER, LOG_KEY):
        keys.create_signer(name, lambda _: passphrase)
    tally = Tally.open(places.workspace, lambda _: passphrase)
    for name in paying:
        fund_from_unlocked(tally.node, keys.info(name).public, _FUNDS_WEI)
    return tally


def make_setting(tally: Tally, places: Places) -> Setting:
    """Deploy all that is needed, and the token."""
    tally.deploy()
    token = tally.deploy_token("Example Dollar", "USD", 6, 10_000 * UNIT)
    return Setting(tally, places, read_coin(tally.node, token))


def make_wallet(setting: Setting) -> Policy:
    """Make the wallet with its policy and its money, and seal it; return the policy, which is also a file."""
    tally, coin = setting.tally, setting.coin
    wallet = tally.agents.create(WALLET, (GUARDIAN,), HOUR_S)
    channels = tally.agents.channels.contract(coin.address, make=True).address
    policy = _policy(tally, wallet.address, coin.address, channels)
    write_atomic(setting.policy_file, write_policy(policy))
    wallet.apply(policy)
    wallet.fund(coin, HELD)
    wallet.seal()
    return policy


def _policy(tally: Tally, account: str, token: str, channels: str) -> Policy:
    address = tally.agents.address
    key, now_s = address(AGENT), tally.node.block().timestamp
    transfer = parse_call("transfer(address,uint256)", "transfer")
    own = int(key, 16)
    rules = (
        Rule("pay", token, transfer, token, 0, 1, call_cap=BUCKET.cap),
        Rule(
            "open-channel", channels, parse_call(_OPEN, "open"), token, 1, 6, call_cap=UNIT, pulls=True,
            constraints=(Constraint(2, own, own), Constraint(3, HOUR_S, DAY_S)),
        ),
    )  # fmt: skip
    session = Session(
        name=AGENT, key=key, level=Level.BOUNDED, valid_after=now_s, valid_until=now_s + DAY_S, operations=100,
        operations_s=HOUR_S, denials=16, denials_s=HOUR_S, slots=Slots(SLOTS, DAY_S, SLOT_CAP, token),
        budgets={token: BUCKET},
    )  # fmt: skip
    return Policy(
        chain_id=tally.node.chain_id,
        owner=tally.account.address,
        guardians=(address(GUARDIAN),),
        approvers=(address(APPROVER),),
        terms=Terms(HOUR_S, HOUR_S),
        account=account,
        tokens=(Token("USD", token, 6, BUCKET),),
        payees=tuple(Payee(name, address(name), expires=now_s + DAY_S) for name in PAYEES),
        rules=rules,
        sessions=(session,),
        queue=Queue(threshold=1, open_max=3),
        addresses={"channels": channels},
    )
