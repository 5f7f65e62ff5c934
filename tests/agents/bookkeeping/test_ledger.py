"""A ledger of real payments: every unit is accounted for, and whatever does not fit is named with its reason."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import replace

import pytest

from tallystick.agents.bookkeeping.facts import read_facts
from tallystick.agents.bookkeeping.ledger import reconcile
from tallystick.agents.bookkeeping.lines import Kind, Period, State
from tallystick.agents.payments.cashier import Accepted
from tallystick.agents.payments.payers import KeyPayer
from tallystick.agents.payments.purse_book import RELEASED, SETTLED
from tallystick.agents.payments.terms import Flow
from tallystick.agents.payments.wire import Payment
from tallystick.chain.accounts import Account
from tallystick.core.errors import Unavailable
from tests.agents.bookkeeping.kit import Liar, books_of, buy, ledger_of, states, total
from tests.agents.payments.market import CENT, ORIGIN, operation


def edit(path, sql, *values):
    """Change a book behind its owner's back."""
    with sqlite3.connect(path) as db:
        assert db.execute(sql, values).rowcount == 1


class TestWhatFits:
    def test_a_payment_is_spend_of_its_payer_and_income_of_its_payee_and_both_books_agree_with_the_chain(self, market):
        buy(market)
        mine = ledger_of(market, market.payer, books=books_of(market, [market.payer]))
        (line,) = mine.lines
        assert (line.kind, line.state, line.amount, line.is_out) == (Kind.PAYMENT, State.RECONCILED, CENT, True)
        assert (line.account, line.party, line.book) == (market.payer, market.seller, "purse")
        assert mine.is_reconciled
        assert (total(mine, market.token.address).spend, total(mine, market.token.address).income) == (CENT, 0)
        theirs = ledger_of(market, market.seller, books=books_of(market, [market.seller]))
        assert [(one.kind, one.book, one.is_out) for one in theirs.lines] == [(Kind.PAYMENT, "claims", False)]
        assert theirs.is_reconciled
        assert total(theirs, market.token.address).income == CENT

    def test_what_moves_between_accounts_of_one_ledger_is_neither_income_nor_spend(self, market):
        buy(market)
        both = ledger_of(market)
        assert [one.is_internal for one in both.lines] == [True, True]
        found = total(both, market.token.address)
        assert (found.income, found.spend, found.difference) == (0, 0, 0)

    def test_gas_is_a_line_of_whoever_sent_the_transaction(self, market):
        buy(market)
        books = books_of(market, [market.bringer])
        found = ledger_of(market, market.bringer, books=books)
        (fee,) = found.lines
        receipt = market.node.receipt(fee.transaction)
        assert (fee.kind, fee.amount) == (Kind.FEE, receipt.gas_used * receipt.effective_gas_price)
        assert found.is_reconciled
        assert sum(one.fees for one in found.totals) == fee.amount

    def test_what_is_signed_and_not_settled_is_pending_on_both_sides(self, market):
        purse, what, terms = market.purse(), operation(), market.terms()
        booked = purse.pay(terms.challenge(what), what, ORIGIN)
        assert isinstance(market.cashier().accept(booked.payment, terms, what), Accepted)
        mine = ledger_of(market, market.payer)
        assert (states(mine), total(mine, market.token.address).pending_out) == ([State.PENDING], CENT)
        theirs = ledger_of(market, market.seller)
        assert (states(theirs), total(theirs, market.token.address).pending_in) == ([State.PENDING], CENT)
        assert mine.is_reconciled
        assert theirs.is_reconciled

    def test_a_refund_is_owed_until_the_chain_shows_it(self, market):
        cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms(flow=Flow.BEFORE)
        booked = purse.pay(terms.challenge(what), what, ORIGIN)
        accepted = cashier.accept(booked.payment, terms, what)
        cashier.release(accepted, "the model failed")
        owed = ledger_of(market, market.seller)
        assert total(owed, market.token.address).owed == CENT
        mined = market.ledger.send(market.token.transfer(market.payer, CENT), market.seller)
        (claim,) = market.claims.owed()
        assert market.claims.refund(claim, "0x" + mined.logs[0].transaction_hash.hex())
        paid = ledger_of(market, market.seller)
        assert total(paid, market.token.address).owed == 0
        (refund,) = [one for one in paid.lines if one.kind is Kind.REFUND]
        assert (refund.state, refund.amount, refund.is_out) == (State.RECONCILED, CENT, True)

    def test_a_payment_that_the_purse_has_not_heard_of_is_found_on_chain(self, market):
        purse, what, terms = market.purse(), operation(), market.terms()
        booked = purse.pay(terms.challenge(what), what, ORIGIN)
        cashier = market.cashier()
        cashier.settle(cashier.accept(booked.payment, terms, what), b"answer")
        found = ledger_of(market, market.payer)
        (line,) = found.lines
        assert (line.state, found.is_reconciled) == (State.RECONCILED, True)
        assert "reconcile" in line.reason

    def test_coins_of_a_stranger_are_shown_and_are_no_alarm(self, market):
        market.give(market.seller, 1)
        found = ledger_of(market, market.seller)
        (line,) = found.lines
        assert (line.kind, line.state, line.is_gap) == (Kind.RECEIVED, State.UNBOOKED, False)
        assert found.is_reconciled
        assert total(found, market.token.address).income == 1


class TestWhatDoesNot:
    def test_what_went_out_and_no_book_knows_is_named(self, market):
        market.ledger.send(market.token.transfer(market.stranger, 7), market.payer)
        found = ledger_of(market, market.payer)
        (line,) = [one for one in found.gaps if one.token == market.token.address]
        assert (line.kind, line.state, line.amount) == (Kind.UNEXPLAINED, State.UNBOOKED, 7)
        assert not found.is_reconciled
        assert total(found, market.token.address).difference == 0

    def test_transactions_that_the_outbox_does_not_have_are_counted(self, market):
        market.ledger.send(market.token.transfer(market.stranger, 7), market.payer)
        assert any("1 transactions of" in one for one in ledger_of(market, market.payer).notes)

    def test_an_authorization_that_the_purse_does_not_know_is_named_even_if_our_own_gas_brought_it(self, market):
        """A session's key that leaked signs outside of the purse; our facilitator settles it like any other."""
        other = KeyPayer(market.node, Account(market.ledger.secrets[market.payer]))
        what, terms = operation(), market.terms()
        requirements = terms.requirements(what)[0]
        candidate = next(iter(other.candidates(requirements, what, int(market.clock()))))
        signed = other.sign(requirements, candidate, int(market.clock()))
        payment = Payment(requirements, signed.payload, {}, {})
        market.scheme().settle(payment, requirements)
        found = ledger_of(market, market.payer, books=books_of(market, [market.payer, market.bringer]))
        (gap,) = found.gaps
        assert (gap.state, gap.reason) == (State.UNBOOKED, "an authorization that the purse does not know")

    def test_a_payer_that_brought_its_own_unknown_authorization_is_not_excused_by_its_outbox(self, market):
        market.give(market.bringer, CENT)
        payer = KeyPayer(market.node, Account(b"\x63" * 32))
        what, terms, now_s = operation(), market.terms(), int(market.clock())
        requirements = terms.requirements(what)[0]
        candidate = next(iter(payer.candidates(requirements, what, now_s)))
        payment = Payment(requirements, payer.sign(requirements, candidate, now_s).payload, {}, {})
        market.scheme().settle(payment, requirements)
        found = ledger_of(market, market.bringer, books=books_of(market, [market.bringer]))
        (gap,) = found.gaps
        assert gap.reason == "an authorization that the purse does not know"

    @pytest.mark.parametrize("column", ["amount", "payee"])
    def test_a_tampered_entry_is_in_the_book_only_and_its_transfer_on_chain_only(self, market, column):
        booked = buy(market)
        value = "1" if column == "amount" else market.stranger
        edit(market.folder / "purse.db", f"UPDATE payments SET {column} = ?", value)
        found = ledger_of(market, market.payer)
        assert sorted(states(found), key=lambda one: one.value) == [State.MISSING, State.UNBOOKED]
        assert booked.settlement.transaction in found.gaps[-1].reason
        assert total(found, market.token.address).difference == 0

    def test_an_entry_that_says_released_is_disputed_by_the_chain(self, market):
        buy(market)
        edit(market.folder / "purse.db", "UPDATE payments SET state = ?", RELEASED)
        (line,) = ledger_of(market, market.payer).gaps
        assert (line.state, "released" in line.reason) == (State.DISPUTED, True)

    def test_an_invented_settlement_is_in_the_book_only(self, market):
        purse, what, terms = market.purse(), operation(), market.terms()
        purse.pay(terms.challenge(what), what, ORIGIN)
        told = '{"success":true,"network":"eip155:1337","transaction":"0x' + "ab" * 32 + '","payer":""}'
        edit(market.folder / "purse.db", "UPDATE payments SET state = ?, settlement = ?", SETTLED, told)
        (line,) = ledger_of(market, market.payer).gaps
        assert (line.state, "no transaction" in line.reason) == (State.MISSING, True)
        assert not line.has_moved

    def test_one_transfer_serves_one_entry_and_its_double_has_nothing(self, market):
        buy(market)
        books = books_of(market)
        doubled = replace(books, bought=(books.bought[0], replace(books.bought[0], id="again")))
        (line,) = ledger_of(market, market.payer, books=doubled).gaps
        assert (line.state, line.reference) == (State.MISSING, "again")
        assert "another entry" in line.reason
        assert total(ledger_of(market, market.payer, books=doubled), market.token.address).spend == CENT

    def test_a_settlement_that_a_reorg_took_back_is_named_in_every_book(self, market):
        booked = buy(market)
        gone = bytes.fromhex(booked.settlement.transaction[2:])

        def receipts(wanted):
            return [None if one == gone else market.node.receipt(one) for one in wanted]

        def logs(*args, **options):
            return [one for one in market.node.logs(*args, **options) if one.transaction_hash != gone]

        node = Liar(market.node, receipts=receipts, logs=logs)
        found = ledger_of(market, market.payer, market.seller, market.bringer, node=node)
        missing = [one for one in found.gaps if one.state is State.MISSING]
        assert sorted(one.book for one in missing) == ["claims", "outbox", "purse"]

    def test_a_chain_that_changes_under_the_reader_is_told(self, market):
        buy(market)
        end = market.node.block()
        asked = []

        def block(at="latest", **options):
            asked.append(at)
            found = market.node.block(at, **options)
            return replace(found, hash=bytes(32)) if at == end.number and asked.count(at) > 1 else found

        with pytest.raises(Unavailable) as caught:
            ledger_of(market, market.payer, node=Liar(market.node, block=block))
        assert caught.value.code == "ledger.reorg"

    def test_a_token_that_hides_a_transfer_is_found_by_its_balances(self, market):
        booked = buy(market)
        gone = bytes.fromhex(booked.settlement.transaction[2:])

        def logs(*args, **options):
            return [one for one in market.node.logs(*args, **options) if one.transaction_hash != gone]

        found = ledger_of(market, market.payer, node=Liar(market.node, logs=logs))
        (silent,) = [one for one in found.lines if one.kind is Kind.SILENT]
        assert (silent.amount, silent.is_out, silent.state) == (CENT, True, State.DISPUTED)
        assert total(found, market.token.address).difference == 0

    def test_a_payment_on_another_chain_cannot_be_reconciled_here(self, market):
        buy(market)
        edit(market.folder / "purse.db", "UPDATE payments SET network = 'eip155:1'")
        reasons = [one.reason for one in ledger_of(market, market.payer).gaps]
        assert any("eip155:1," in one for one in reasons)


class TestPeriods:
    def test_what_was_settled_in_another_period_is_no_line_and_no_gap_of_this_one(self, market):
        buy(market, "/first")
        middle = market.node.block_number() + 1
        buy(market, "/second")
        later = ledger_of(market, market.payer, first=middle)
        assert [one.reason.endswith("/second") for one in later.lines] == [True]
        assert later.is_reconciled
        found = total(later, market.token.address)
        assert (found.spend, found.opening - found.closing) == (CENT, CENT)

    def test_what_is_pending_belongs_to_the_period_in_which_it_was_promised(self, market):
        purse, what, terms = market.purse(), operation(), market.terms()
        booked = purse.pay(terms.challenge(what), what, ORIGIN)
        before, after = Period(None, int(booked.made_s) - 1), Period(int(booked.made_s) - 1, None)
        assert not ledger_of(market, market.payer, period=before).lines
        assert states(ledger_of(market, market.payer, period=after)) == [State.PENDING]


class TestEveryUnit:
    """The two laws of a ledger, over stories that nobody wrote: they hold whatever the books say."""

    def story(self, market, seed):
        """Let a dozen things happen; return what the token's own balances say that payer and seller gained."""
        chance = random.Random(seed)
        for number in range(12):
            what = chance.choice(("buy", "sign", "gift", "leak", "tamper", "double"))
            amount = chance.randrange(1, CENT)
            if what == "buy":
                buy(market, f"/{number}", amount)
            elif what == "sign":
                one, terms = operation(f"/{number}"), market.terms(amount)
                market.purse().pay(terms.challenge(one), one, ORIGIN)
            elif what == "gift":
                market.give(chance.choice((market.payer, market.seller)), amount)
            elif what == "leak":
                market.ledger.send(market.token.transfer(market.stranger, amount), market.payer)
            else:
                column = "amount" if what == "tamper" else "payee"
                value = str(amount) if what == "tamper" else market.stranger
                with sqlite3.connect(market.folder / "purse.db") as db:
                    sql = f"UPDATE payments SET {column} = ? WHERE rowid = ?"
                    db.execute(sql, (value, chance.randrange(1, 6)))

    @pytest.mark.parametrize("seed", range(4))
    def test_the_lines_add_up_to_the_balances_and_the_totals_to_what_is_held(self, market, seed):
        before = {one: market.balance(one) for one in (market.payer, market.seller)}
        self.story(market, seed)
        after = {one: market.balance(one) for one in before}
        for accounts in ((market.payer,), (market.seller,), tuple(before)):
            found = ledger_of(market, *accounts)
            gained = sum(after[one] - before[one] for one in accounts)
            sums = total(found, market.token.address)
            assert (sums.difference, sums.silent) == (0, 0)
            assert sums.income - sums.spend == gained
            for sheet in found.sheets:
                mine = [one for one in found.lines if (one.account, one.token) == (sheet.account, sheet.token)]
                moved = sum(-one.amount if one.is_out else one.amount for one in mine if one.has_moved)
                assert sheet.closing - sheet.opening == moved

    @pytest.mark.parametrize("seed", range(4))
    def test_the_ledgers_of_periods_add_up_to_that_of_the_whole(self, market, seed):
        self.story(market, seed)
        whole = total(ledger_of(market, market.payer), market.token.address)
        middle = (market.begun + market.node.block_number()) // 2 + 1
        books = books_of(market)
        ends = {}
        for name, first, last in (("first", market.begun, middle - 1), ("second", middle, market.node.block_number())):
            facts = read_facts(market.node, books, frozenset({market.payer}), [market.token.address], [], first,
                               market.node.block(last))  # fmt: skip
            ends[name] = total(reconcile(facts, books, Period()), market.token.address)
        assert ends["first"].closing == ends["second"].opening
        assert ends["first"].spend + ends["second"].spend == whole.spend
        assert ends["first"].income + ends["second"].income == whole.income
