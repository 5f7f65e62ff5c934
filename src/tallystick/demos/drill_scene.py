"""What the attacker finds: a sealed wallet with money, four sessions, a queue, a bad token, a hostile shop.

The attacker has every session's key and the agent's host, so it knows all that is here but the keys of owner, guardian
and approver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tallystick.agents.policy.change.calls import Contracts
from tallystick.agents.policy.change.live import read_account
from tallystick.agents.policy.document import Payee, Policy, Queue, Rates, Rule, Session, Slots, Terms, Token
from tallystick.agents.policy.nouns import NATIVE, Level
from tallystick.agents.policy.signatures import parse_call
from tallystick.chain.bindings.policy_account_factory import PolicyAccountFactory
from tallystick.chain.bindings.policy_relay import Action, PolicyRelay
from tallystick.chain.bindings.token import Token as TokenContract
from tallystick.chain.calls import Call
from tallystick.chain.coin import Coin, read_coin
from tallystick.chain.deploy import deploy
from tallystick.core.digest import sha256
from tallystick.demos.drill_chain import Stage
from tallystick.demos.drill_code import greedy_token_code, shop_code
from tallystick.demos.drill_count import Budget, Count
from tallystick.tally.agents.system import FACTORY, build_system

HOUR_S: Final = 3_600
DAY_S: Final = 86_400
UNIT: Final = 10**6  # of the token
ETHER: Final = 10**18
HOLDS: Final = 1_000 * UNIT  # what the wallet has
INTENT: Final = sha256(b"tallystick drill: nobody asked for this")
BUY: Final = parse_call("buy(uint256)", "buy")
SIGNED_GAS: Final = 600_000
BRIEF_S: Final = 2 * HOUR_S  # how long the session `brief` lives

# What the owner meant; the contract learns it through the policy below, the independent count from here.
BUDGETS: Final = {"USD": (100 * UNIT, 100 * UNIT), "SOUR": (10 * UNIT, 10 * UNIT), "ETH": (ETHER // 100, ETHER // 100)}
SLOTS: Final = 2
SLOT_CAP: Final = UNIT


@dataclass
class Scene:
    """Everything that a theft is tried on; `signed` is an honest payment that was made once, with its signature."""

    stage: Stage
    contracts: Contracts
    relay: PolicyRelay
    usd: TokenContract
    sour: TokenContract
    shop: str
    policy: Policy
    count: Count
    entry_point: str
    sealed_at: int
    signed: tuple[Action, bytes]

    @property
    def address(self) -> str:
        """The wallet."""
        return self.contracts.address

    def act(self, who: str, target: str, data: bytes, amount: int = 0) -> str:
        """Return why a session's act was refused; "" if it was done."""
        return self.stage[who].attempt(self.contracts.account.execute(target, amount, data, INTENT))

    def pay(self, who: str, payee: str, amount: int, token: TokenContract | None = None) -> str:
        """Return why a session's payment was refused; "" if it was made."""
        coin = token or self.usd
        return self.act(who, coin.address, coin.transfer(self.stage[payee].address, amount).data)

    def sign(self, who: str, target: str, data: bytes) -> tuple[Action, bytes]:
        """Return an action that a session signs for whoever brings it."""
        return sign_action(self.stage, self.relay, self.contracts, who, target, data)

    def look(self, *, by_slots: bool = False) -> tuple[dict[str, int], bool]:
        """Return what left the wallet since the last look, and whether it was the owner's to lose."""
        return self.count.judge(
            self.stage.now_s(), holdings(self.stage, self.coins, self.address), self.thiefs(), by_slots=by_slots
        )

    def thiefs(self) -> dict[str, int]:
        """Return what the thief holds of tokens; its native coin pays for the attack."""
        return _tokens_of(self.stage, self.coins, self.stage["thief"].address)

    @property
    def coins(self) -> Mapping[str, Coin]:
        """The coins that the wallet holds, by name."""
        return {"ETH": Coin(), "USD": Coin(self.usd.address, 6, "USD"), "SOUR": Coin(self.sour.address, 6, "SOUR")}


def set_scene(stage: Stage, folder: Path, entry_point: str) -> Scene:
    """Put everything on the chain, seal the wallet, and let one honest payment be made."""
    outbox = stage["owner"].outbox(folder / "outbox.db")
    try:
        factory = build_system(outbox, entry_point)[FACTORY].address
        given = ["Drill Dollar", "USD", 6, 10 * HOLDS, stage["owner"].address]
        usd = TokenContract(stage.node, deploy(outbox, "Token", arguments=given).address)
    finally:
        outbox.close()
    contracts = _make_account(stage, PolicyAccountFactory(stage.node, factory))
    relay = PolicyRelay(stage.node, contracts.account.relay())
    made = stage["thief"].do(Call(None, greedy_token_code(contracts.address, HOLDS)))
    sour = TokenContract(stage.node, made.contract_address or "")
    hook = sign_action(stage, relay, contracts, "helper", usd.address, _paying(stage, usd, 10 * UNIT))
    made = stage["thief"].do(Call(None, shop_code(relay.address, relay.execute_signed(contracts.address, *hook).data)))
    shop = made.contract_address or ""
    policy = _policy(stage, contracts, usd.address, sour.address, shop)
    stage["owner"].do(usd.transfer(contracts.address, HOLDS))
    stage["owner"].do(Call(contracts.address, b"", ETHER))
    for call in read_account(stage.node, contracts.address).calls_to(policy):
        stage["owner"].do(call)
    stage["owner"].do(contracts.account.seal())
    count = _count(stage, usd.address, sour.address, contracts.address)
    signed = sign_action(stage, relay, contracts, "agent", usd.address, _paying(stage, usd, UNIT))
    sealed_at = stage.now_s()
    stage["thief"].do(relay.execute_signed(contracts.address, *signed))
    scene = Scene(
        stage, contracts, relay, usd, sour, shop, policy, count, entry_point, sealed_at, signed
    )  # fmt: skip
    scene.look()
    count.lost = dict.fromkeys(count.lost, 0)  # what was paid until now was honest
    return scene


def sign_action(
    stage: Stage, relay: PolicyRelay, contracts: Contracts, who: str, target: str, data: bytes
) -> tuple[Action, bytes]:
    """Return an action with the signature of a session."""
    session = stage[who]
    action = Action(
        session=session.address, seq=relay.seq_of(contracts.address, session.address), target=target, amount=0,
        data=data, gas_limit=SIGNED_GAS, deadline=2**63, intent_hash=INTENT, epoch=contracts.account.epoch(),
    )  # fmt: skip
    return action, session.sign(relay.action_digest(contracts.address, action))


def holdings(stage: Stage, coins: Mapping[str, Coin], account: str) -> dict[str, int]:
    """Return what an account holds, by coin."""
    return {name: coin.balance(stage.node, account) for name, coin in coins.items()}


def _tokens_of(stage: Stage, coins: Mapping[str, Coin], account: str) -> dict[str, int]:
    return holdings(stage, {name: coin for name, coin in coins.items() if not coin.is_native}, account)


def _make_account(stage: Stage, factory: PolicyAccountFactory) -> Contracts:
    owner, salt = stage["owner"].address, bytes(32)
    stage["owner"].do(factory.create(owner, salt, [stage["guardian"].address], HOUR_S))
    return Contracts.of(stage.node, factory.address_of(owner, salt))


def _paying(stage: Stage, usd: TokenContract, amount: int) -> bytes:
    return usd.transfer(stage["provider"].address, amount).data


def _count(stage: Stage, usd: str, sour: str, account: str) -> Count:
    coins = {"ETH": Coin(), "USD": read_coin(stage.node, usd), "SOUR": read_coin(stage.node, sour)}
    budgets = {name: Budget(cap, refill, DAY_S) for name, (cap, refill) in BUDGETS.items()}
    for budget in budgets.values():
        budget.start(stage.now_s())
    thief = _tokens_of(stage, coins, stage["thief"].address)
    return Count(
        budgets, {"USD": SLOTS * SLOT_CAP}, holdings(stage, coins, account), thief, dict.fromkeys(coins, 0)
    )  # fmt: skip


def _policy(stage: Stage, contracts: Contracts, usd: str, sour: str, shop: str) -> Policy:
    rates = {name: Rates(cap, refill, DAY_S) for name, (cap, refill) in BUDGETS.items()}
    tokens = (
        Token("USD", usd, 6, rates["USD"]),
        Token("SOUR", sour, 6, rates["SOUR"]),
        Token("ETH", NATIVE, 18, rates["ETH"]),
    )
    transfer = parse_call("transfer(address,uint256)", "transfer")
    rules = (
        Rule("pay", usd, transfer, usd, 0, 1, call_cap=25 * UNIT),
        Rule("pay-sour", sour, transfer, sour, 0, 1, call_cap=10 * UNIT),
        Rule("shop", shop, BUY),
    )
    own = {usd: Rates(60 * UNIT, 60 * UNIT, DAY_S), sour: rates["SOUR"], NATIVE: rates["ETH"]}
    now_s = stage.now_s()
    slots = Slots(SLOTS, HOUR_S, SLOT_CAP, usd)
    return Policy(
        chain_id=stage.node.chain_id,
        owner=stage["owner"].address,
        guardians=(stage["guardian"].address,),
        approvers=(stage["approver"].address,),
        terms=Terms(HOUR_S, HOUR_S),
        account=contracts.address,
        tokens=tokens,
        payees=(Payee("provider", stage["provider"].address), Payee("shop", shop)),
        rules=rules,
        sessions=(
            _session(stage, "agent", now_s + 30 * DAY_S, own, slots=slots),
            _session(stage, "helper", now_s + 30 * DAY_S, own, denials=3),
            _session(stage, "brief", now_s + BRIEF_S, own),
            replace(_session(stage, "scout", now_s + 30 * DAY_S, own), level=Level.SUPERVISED),
        ),
        queue=Queue(threshold=1, open_max=3, delay_s=0, veto_s=HOUR_S),
    )


def _session(
    stage: Stage, name: str, until: int, budgets: Mapping[str, Rates], *, denials: int = 0, slots: Slots | None = None
) -> Session:
    return Session(
        name=name, key=stage[name].address, level=Level.BOUNDED, valid_after=0, valid_until=until, operations=1_000,
        operations_s=HOUR_S, denials=denials, denials_s=HOUR_S if denials else 0, slots=slots or Slots(),
        budgets=budgets,
    )  # fmt: skip
