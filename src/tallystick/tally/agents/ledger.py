"""The ledger of this workspace: all of its books, opened, and held against what the chain has of the same accounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tallystick.agents.audit import audit_account
from tallystick.agents.audit.findings import Movement
from tallystick.agents.bookkeeping.books import Books, sent_of
from tallystick.agents.bookkeeping.facts import find_block, read_facts
from tallystick.agents.bookkeeping.ledger import Ledger, reconcile
from tallystick.agents.bookkeeping.lines import Period
from tallystick.agents.clones import original_of
from tallystick.chain.bindings.payment_channels import PaymentChannels
from tallystick.chain.coin import NATIVE, Coin, read_coin
from tallystick.chain.deploy import address_for
from tallystick.chain.facts import Block
from tallystick.chain.outbox_rows import STATES
from tallystick.chain.outbox_store import OutboxStore
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import LEDGER_ROWS_MAX
from tallystick.tally.agents import senders
from tallystick.tally.agents.channels import CONTRACT

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Wallet
    from tallystick.tally.workspace import Tally


def read_ledger(
    tally: Tally, wallet: str | None = None, period: Period | None = None, tokens: Sequence[str] = ()
) -> Ledger:
    """Return the ledger of a workspace, or of one account of it.

    wallet  a policy account by name or address, or a key by name; None: every account that the books know
    period  of the chain's own time; None: from the first block on
    tokens  more to account for, beside those of the books and of the wallets
    raises  Unavailable "ledger.reorg" where the chain changed meanwhile; InvalidInput "ledger.too_many"
    """
    period, node = period or Period(), tally.node
    end = _end(tally, period)
    first = 1 if period.begin is None else find_block(node, period.begin)
    account = None if wallet is None else _account(tally, wallet)
    wallets = _wallets(tally, account)
    coins = {parse_address(one) for one in tokens} | {
        token
        for one in wallets
        if node.code(one.address, end.hash)
        for token in one.contracts.account.tokens(at=end.hash)
    }
    books = _books(tally, wallets)
    mine = books.accounts() if account is None else frozenset({account})
    contracts = _contracts(tally, books, coins | books.tokens() | {NATIVE})
    acts, notes = _acts(tally, [one for one in wallets if one.address in mine], end, coins | books.tokens())
    books = replace(books, acts=acts, contract=_homes(tally, books, contracts))
    facts = read_facts(node, books, mine, coins | books.tokens(), contracts, first, end)
    return reconcile(facts, books, period, notes)


def coins_of(tally: Tally, ledger: Ledger) -> dict[str, Coin]:
    """Return the coins of a ledger, by address; one that is no token any more is counted in smallest units."""
    found: dict[str, Coin] = {}
    for total in ledger.totals:
        try:
            found[total.token] = read_coin(tally.node, total.token)
        except InvalidInput:
            found[total.token] = Coin(total.token, 0)
    return found


def _end(tally: Tally, period: Period) -> Block:
    newest = tally.node.block()
    if period.end is None or newest.timestamp < period.end:
        return newest
    return tally.node.block(max(find_block(tally.node, period.end) - 1, 0))


def _account(tally: Tally, which: str) -> str:
    """Return the account that a user means: an address, a wallet by name, or a key."""
    if which.startswith("0x"):
        return parse_address(which)
    try:
        return tally.agents.wallet(which).address
    except InvalidInput as error:
        if error.code not in ("agent.wallet", "deployments.absent"):
            raise
    known = {one.name for one in tally.workspace.keyring.list()} | {senders.OWN}
    if which not in known:
        raise InvalidInput(
            "ledger.account", f"there is no wallet or key {which!r}", expected=", ".join(sorted(known)),
            hint="`tally agent wallet show` lists wallets, `tally key list` keys",
        )  # fmt: skip
    return senders.address_of(tally, which)


def _wallets(tally: Tally, account: str | None) -> list[Wallet]:
    """Return the policy accounts that the ledger may be about: this workspace's, those it pays from, the one named."""
    try:
        found = tally.agents.wallets()
    except InvalidInput as error:
        if error.code != "deployments.absent":
            raise
        return []
    known = {one.address for one in found}
    payers = {one.payer for one in tally.agents.payments.book.newest(LEDGER_ROWS_MAX)}
    payers |= {one.terms.payer for one in tally.agents.channels.paying.channels()}
    for other in sorted((payers | {account or ""}) - known - {""}):
        if original_of(tally.node.code(other)) == tally.agents.system.implementation:
            found.append(tally.agents.wallet(other))
    return [one for one in found if account in (None, one.address)]


def _books(tally: Tally, wallets: Iterable[Wallet]) -> Books:
    desk, channels = tally.agents.payments, tally.agents.channels
    keys = {one.public for one in tally.workspace.keyring.list() if one.kind == "secp256k1"}
    own = frozenset({tally.account.address, *map(parse_address, keys), *(one.address for one in wallets)})
    store = OutboxStore(tally.workspace.outbox_path)
    try:
        chain_id = tally.node.chain_id
        rows = [
            row
            for key in sorted(own)
            for row in store.rows(chain_id, key, STATES, LEDGER_ROWS_MAX + 1)
        ]  # fmt: skip
    finally:
        store.close()
    books = Books(
        own=own,
        bought=tuple(reversed(desk.book.newest(LEDGER_ROWS_MAX + 1))),
        sold=tuple(desk.claims.all(LEDGER_ROWS_MAX + 1)),
        sent=sent_of(rows),
        paying=tuple(one for one in channels.paying.channels() if one.chain_id == chain_id),
        paid=tuple(channels.paid.accounts()),
        invoices=tuple(tally.agents.invoices.book.all(LEDGER_ROWS_MAX + 1)),
    )
    for rows_ in (books.bought, books.sold, rows, books.paying, books.paid, books.invoices):
        if len(rows_) > LEDGER_ROWS_MAX:
            raise InvalidInput("ledger.too_many", "a book has too many entries for one ledger",
                               expected=f"≤ {LEDGER_ROWS_MAX}", got=len(rows_))  # fmt: skip
    return books


def _contracts(tally: Tally, books: Books, coins: Iterable[str]) -> frozenset[str]:
    """Return the contracts of channels that may matter: those of the payer's book, and of each coin."""
    named = {one.contract for one in books.paying}
    return frozenset(named | {address_for(CONTRACT, arguments=[one]) for one in coins})


def _homes(tally: Tally, books: Books, contracts: Iterable[str]) -> dict[bytes, str]:
    """Return on which contract each channel of the payee's book is; the book does not say."""
    there = [PaymentChannels(tally.node, one) for one in sorted(contracts) if tally.node.code(one)]
    found: dict[bytes, str] = {}
    for account in books.paid:
        for contract in there:
            if int(contract.channel_of(account.id).payer, 16):
                found[account.id] = contract.address
                break
    return found


def _acts(
    tally: Tally, wallets: Iterable[Wallet], end: Block, coins: Iterable[str]
) -> tuple[dict[str, tuple[Movement, ...]], list[str]]:
    """Return what each policy account's audit says of its movements, and in words where it does not balance."""
    acts, notes = {}, []
    for one in wallets:
        if not tally.node.code(one.address, end.hash):
            continue
        audit = audit_account(tally.node, one.address, first=one.first_block, last=end.hash, tokens=sorted(coins))
        acts[one.address] = audit.movements
        notes += [f"{one.address}: {gap.words} (`tally agent audit`)" for gap in audit.gaps]
    return acts, notes
