"""Invoices: read strictly, signed by their seller, numbered once, and paid by what the chain shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.bookkeeping.invoice import Invoice, Item, SignedInvoice, Stretch, sign_invoice
from tallystick.agents.bookkeeping.invoice_book import InvoiceBook, Side
from tallystick.agents.bookkeeping.invoice_checks import check_invoice, find_payment
from tallystick.agents.bookkeeping.invoice_paying import InvoicePayer, challenge_of, operation_of, origin_of
from tallystick.agents.bookkeeping.lines import State
from tallystick.agents.payments.outcomes import Refused, Settled
from tallystick.agents.payments.payers import KeyPayer
from tallystick.agents.payments.wire import Payment
from tallystick.chain.accounts import Account
from tallystick.core import canonical
from tallystick.core.eip712 import SECP256K1_ORDER
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tests.agents.bookkeeping.kit import books_of, ledger_of
from tests.agents.payments.market import CENT, Market

SELLER = Account(b"\x21" * 32)
PLAIN = Invoice(
    network="eip155:1337", seller=SELLER.address, number="2026-1", buyer="0x" + "22" * 20, pay_to=SELLER.address,
    asset="0x" + "33" * 20, amount=30, issued_at=1_000, due=2_000,
    lines=(Item("four pages", 10, b"\x44" * 32), Item("a figure", 20)), period=(500, 900),
    channel=Stretch("0x" + "55" * 20, b"\x66" * 32, 40),
)  # fmt: skip


def secret_of(market, account):
    return Account(market.ledger.secrets[account])


def invoice_of(market, number="1", amount=CENT, **changes) -> SignedInvoice:
    """Return an invoice of the market's seller to its payer."""
    now_s = int(market.clock())
    made = Invoice(
        network=f"eip155:{market.node.chain_id}", seller=market.seller, number=number, buyer=market.payer,
        pay_to=market.seller, asset=market.token.address, amount=amount, issued_at=now_s - 10, due=now_s + 1_000,
        lines=(Item("an answer", amount),),
    )  # fmt: skip
    return sign_invoice(replace(made, **changes), secret_of(market, market.seller))


def purse_of(market, signed, each=10 * CENT):
    payer = InvoicePayer(KeyPayer(market.node, secret_of(market, market.payer)), signed.invoice)
    return market.purse(each, payer=payer)


def payment_of(market, signed, *, nonce, later_s=0) -> Payment:
    """Return a payment of an invoice under one of its nonces, signed outside of any book."""
    payer = InvoicePayer(KeyPayer(market.node, secret_of(market, market.payer)), signed.invoice)
    requirements = challenge_of(market.node, signed).accepts[0]
    candidate = list(payer.candidates(requirements, operation_of(signed), 0))[nonce]
    made = payer.sign(requirements, candidate, int(market.clock()) + later_s)
    return Payment(requirements, made.payload, {}, {})


def pay(market: Market, signed: SignedInvoice, each=10 * CENT):
    """Pay an invoice as its buyer; return what was booked."""
    purse = purse_of(market, signed, each)
    booked = purse.pay(challenge_of(market.node, signed), operation_of(signed), origin_of(signed.invoice))
    outcome = market.scheme().settle(booked.payment, booked.requirements)
    assert isinstance(outcome, Settled), outcome
    return purse.learn(booked, outcome.to_settlement())


class TestTheDocument:
    def test_it_reads_back_the_same_and_names_its_signer(self):
        signed = sign_invoice(PLAIN, SELLER)
        assert SignedInvoice.from_bytes(signed.to_bytes()) == signed

    def test_its_hash_and_digest_are_those_of_the_specification(self):
        assert PLAIN.hash().hex() == "fa102ec42697c5c63c8057faaff3d4b34a4306d639247e0d49e79d7f80c18ed7"
        assert PLAIN.signing_digest().hex() == "490a140b2ae66017680a37fd2a8ed4a9d8fe61e7b4c5b9a3ebc053cd042bbbf3"

    @pytest.mark.parametrize(
        "change",
        [
            {"number": "2026-2"}, {"buyer": "0x" + "23" * 20}, {"pay_to": "0x" + "24" * 20}, {"due": 2_001},
            {"asset": "0x" + "34" * 20}, {"issued_at": 999}, {"period": None}, {"network": "eip155:1"},
            {"lines": (Item("five pages", 10, b"\x44" * 32), Item("a figure", 20))},
            {"lines": (Item("four pages", 10), Item("a figure", 20))}, {"channel": None},
            {"channel": Stretch("0x" + "55" * 20, b"\x66" * 32, 41)},
        ],
    )  # fmt: skip
    def test_any_member_changed_is_another_invoice_that_nobody_signed(self, market, change):
        signed = sign_invoice(PLAIN, SELLER)
        forged = SignedInvoice(replace(PLAIN, **change), signed.signature)
        (check,) = [one for one in check_invoice(forged, market.node).checks if one.name == "signature"]
        assert not check.ok

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"amount": 31}, "invoice.sum"), ({"lines": ()}, "invoice.lines"), ({"due": 999}, "invoice.times"),
            ({"period": (9, 8)}, "invoice.times"), ({"number": ""}, "invoice.number"),
            ({"number": "../../etc/passwd"}, "invoice.number"), ({"number": "1\n"}, "invoice.number"),
            ({"network": "eip155:01"}, "invoice.network"), ({"network": "solana:x"}, "invoice.network"),
            ({"channel": Stretch("0x" + "55" * 20, b"\x66" * 32, 29)}, "invoice.channel"),
            ({"amount": 0, "lines": (Item("nothing", 0),)}, "invoice.sum"),
            ({"amount": 2**256, "lines": (Item("all", 2**255), Item("all", 2**255))}, "invoice.sum"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_billed_is_refused(self, change, code):
        with pytest.raises(InvalidInput) as caught:
            replace(PLAIN, **change)
        assert caught.value.code == code

    @pytest.mark.parametrize(
        "words", ["", "   ", "two\nlines", "\x1b[2J", "right\u202eleft", "zero\u200bwidth", "x" * 201, 7, None]
    )
    def test_a_line_that_people_cannot_read_as_it_is_is_refused(self, words):
        told = sign_invoice(PLAIN, SELLER).to_dict()
        told["invoice"]["lines"][0]["what"] = words
        with pytest.raises(InvalidInput):
            SignedInvoice.from_bytes(canonical.encode(told))

    def test_another_spelling_of_the_same_invoice_is_refused(self):
        told = sign_invoice(PLAIN, SELLER).to_dict()
        told["invoice"]["seller"] = told["invoice"]["seller"].lower()
        with pytest.raises(InvalidInput) as caught:
            SignedInvoice.from_bytes(canonical.encode(told))
        assert caught.value.code == "invoice.spelling"

    def test_what_is_not_known_is_refused_since_somebody_may_rely_on_it(self):
        told = sign_invoice(PLAIN, SELLER).to_dict()
        told["invoice"]["discount"] = "5"
        with pytest.raises(InvalidInput) as caught:
            SignedInvoice.from_bytes(canonical.encode(told))
        assert caught.value.code == "document.unknown"

    @given(st.binary(max_size=200))
    def test_bytes_from_anywhere_are_read_or_refused(self, data):
        with pytest.raises(InvalidInput):
            SignedInvoice.from_bytes(data)

    @given(st.data())
    def test_a_value_of_any_kind_anywhere_is_read_or_refused(self, data):
        told = sign_invoice(PLAIN, SELLER).to_dict()
        values = st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.text(max_size=5),
                           st.lists(st.integers(0, 3), max_size=2), st.dictionaries(st.text(max_size=3), st.none(),
                                                                                    max_size=2))  # fmt: skip
        name = data.draw(st.sampled_from(sorted(told["invoice"])))
        told["invoice"][name] = data.draw(values)
        try:
            found = SignedInvoice.from_bytes(canonical.encode(told))
        except InvalidInput:
            return
        assert found.to_bytes() == canonical.encode(told)

    def test_only_its_seller_signs(self):
        with pytest.raises(InvalidInput) as caught:
            sign_invoice(PLAIN, Account(b"\x22" * 32))
        assert caught.value.code == "invoice.seller"


class TestChecks:
    def test_a_good_invoice_passes_for_its_seller_buyer_and_time(self, market):
        signed = invoice_of(market)
        report = check_invoice(signed, market.node, seller=market.seller, buyer=market.payer,
                               now_s=int(market.clock()))  # fmt: skip
        assert (report.ok, report.total) == (True, 5)

    @pytest.mark.parametrize("name", ["chain", "signature", "seller", "buyer", "due", "channel"])
    def test_whatever_is_wrong_fails_its_own_check(self, market, name):
        seller, buyer, now_s = market.seller, market.payer, int(market.clock())
        signed = invoice_of(market)
        if name == "chain":
            signed = invoice_of(market, network="eip155:1")
        elif name == "signature":
            signed = SignedInvoice(signed.invoice, secret_of(market, market.stranger).sign_digest(bytes(32)))
        elif name == "seller":
            seller = market.stranger
        elif name == "buyer":
            buyer = market.stranger
        elif name == "due":
            now_s += 2_000
        else:
            signed = invoice_of(market, channel=Stretch(market.token.address, bytes(32), CENT))
        report = check_invoice(signed, market.node, seller=seller, buyer=buyer, now_s=now_s)
        assert [one.name for one in report.failures] == [name]

    def test_a_seller_with_code_is_asked_and_a_token_says_nothing(self, market):
        invoice = replace(invoice_of(market).invoice, seller=market.token.address)
        signed = SignedInvoice(invoice, b"\x01" * 65)
        (check,) = check_invoice(signed, market.node).failures
        assert check.name == "signature"


class TestTheBook:
    def test_numbers_follow_each_other_for_each_seller(self, tmp_path):
        book = InvoiceBook(tmp_path / "invoices.db")

        def issue(number=None):
            def make(chosen):
                return sign_invoice(replace(PLAIN, number=chosen), SELLER)

            return book.issue(PLAIN.network, SELLER.address, number, make, 1.0).invoice.number

        assert [issue(), issue("A-7"), issue("9"), issue(), issue()] == ["1", "A-7", "9", "10", "11"]

    @pytest.mark.parametrize("side", Side)
    def test_a_number_is_used_once_and_the_same_invoice_is_the_same(self, tmp_path, side):
        book = InvoiceBook(tmp_path / "invoices.db")
        signed, other = sign_invoice(PLAIN, SELLER), sign_invoice(replace(PLAIN, due=3_000), SELLER)

        def file(one):
            if side is Side.RECEIVED:
                return book.receive(one, 1.0)
            return book.issue(PLAIN.network, SELLER.address, PLAIN.number, lambda _: one, 1.0)

        file(signed)
        file(signed)
        with pytest.raises(InvalidInput) as caught:
            file(other)
        assert caught.value.code == "invoice.number_used"
        assert [one.signed for one in book.all(10)] == [signed]

    def test_what_paid_an_invoice_is_written_once(self, tmp_path):
        book = InvoiceBook(tmp_path / "invoices.db")
        book.receive(sign_invoice(PLAIN, SELLER), 1.0)
        book.record_paid(Side.RECEIVED, PLAIN.hash(), "0xfirst")
        book.record_paid(Side.RECEIVED, PLAIN.hash(), "0xsecond")
        assert book.find(PLAIN.hash().hex())[0].paid_by == "0xfirst"


class TestPaying:
    def test_a_key_pays_with_the_invoices_own_nonce_and_the_chain_shows_it(self, market):
        signed = invoice_of(market)
        assert find_payment(market.node, signed.invoice, market.begun) is None
        booked = pay(market, signed)
        assert booked.nonce == signed.invoice.hash()
        assert market.balance(market.seller) == CENT
        found = find_payment(market.node, signed.invoice, market.begun)
        assert "0x" + found.transaction.hex() == booked.settlement.transaction

    def test_the_token_itself_takes_an_invoices_nonce_once(self, market):
        """Whatever books are lost: a second payment under the first nonce cannot be settled."""
        signed = invoice_of(market)
        booked = pay(market, signed)
        anew = payment_of(market, signed, nonce=0, later_s=7)
        assert anew.payload != booked.payment.payload
        assert isinstance(market.scheme().settle(anew, anew.accepted), Refused)
        assert market.balance(market.seller) == CENT

    def test_more_than_the_limit_is_not_paid(self, market):
        signed = invoice_of(market, amount=5 * CENT)
        with pytest.raises(Rejected) as caught:
            pay(market, signed, each=CENT)
        assert caught.value.code == "payment.refused"

    def test_a_seller_whose_address_for_payments_changed_is_not_paid(self, market):
        """The oldest fraud with invoices: the same seller, another account to pay to."""
        pay(market, invoice_of(market))
        with pytest.raises(Rejected) as caught:
            pay(market, invoice_of(market, number="2", pay_to=market.stranger))
        assert caught.value.code == "payment.refused"
        assert market.balance(market.stranger) == 0

    def test_a_transfer_of_another_amount_or_party_pays_nothing(self, market):
        signed = invoice_of(market)
        mined = market.ledger.send(market.token.transfer(market.seller, CENT - 1), market.payer)
        named = "0x" + mined.logs[0].transaction_hash.hex()
        assert find_payment(market.node, signed.invoice, market.begun, named) is None
        mined = market.ledger.send(market.token.transfer(market.seller, CENT), market.maker)
        named = "0x" + mined.logs[0].transaction_hash.hex()
        assert find_payment(market.node, signed.invoice, market.begun, named) is None


class TestInTheLedger:
    def filed(self, market, *signed, side=Side.ISSUED):
        book = InvoiceBook(market.folder / "invoices.db")
        for one in signed:
            if side is Side.RECEIVED:
                book.receive(one, 1.0)
            else:
                book.issue(one.invoice.network, market.seller, one.invoice.number, lambda _, one=one: one, 1.0)
        found = tuple(book.all(100))
        book.close()
        return found

    def standings(self, ledger):
        return [(one.filed.signed.invoice.number, one.standing.value) for one in ledger.bills]

    def test_a_payment_by_key_pays_the_invoice_that_it_names_however_many_ask_for_as_much(self, market):
        first, second = invoice_of(market, "1"), invoice_of(market, "2")
        pay(market, second)
        for side, account in ((Side.ISSUED, market.seller), (Side.RECEIVED, market.payer)):
            invoices = self.filed(market, first, second, side=side)
            found = ledger_of(market, account, books=books_of(market, invoices=invoices, sold=()))
            told = [one for one in found.bills if one.filed.side is side]
            assert [(one.filed.signed.invoice.number, one.standing.value) for one in told] == [
                ("1", "open"), ("2", "paid"),
            ]  # fmt: skip

    def test_what_names_no_invoice_pays_the_one_that_was_due_first_and_only_one(self, market):
        late = invoice_of(market, "1", due=int(market.clock()) + 500)
        early = invoice_of(market, "2", due=int(market.clock()) + 100)
        market.ledger.send(market.token.transfer(market.seller, CENT), market.payer)
        books = books_of(market, [market.seller], invoices=self.filed(market, late, early))
        found = ledger_of(market, market.seller, books=books)
        assert self.standings(found) == [("2", "paid"), ("1", "open")]
        (line,) = found.lines
        assert (line.kind.value, line.state, line.reference) == ("invoice", State.RECONCILED, "2")

    def test_what_was_paid_before_an_invoice_was_issued_does_not_pay_it(self, market):
        market.ledger.send(market.token.transfer(market.seller, CENT), market.payer)
        later = market.node.block().timestamp + 1
        signed = invoice_of(market, issued_at=later, due=later + 100)
        books = books_of(market, [market.seller], invoices=self.filed(market, signed))
        assert self.standings(ledger_of(market, market.seller, books=books)) == [("1", "open")]

    def test_an_invoice_that_was_paid_twice_is_disputed(self, market):
        signed = invoice_of(market)
        pay(market, signed)
        second = payment_of(market, signed, nonce=1)
        assert isinstance(market.scheme().settle(second, second.accepted), Settled)
        books = books_of(market, invoices=self.filed(market, signed))
        found = ledger_of(market, market.seller, books=books)
        (gap,) = found.gaps
        assert (gap.state, gap.reason) == (State.DISPUTED, "invoice 1 was paid before")

    def test_a_book_that_names_a_payment_which_the_chain_does_not_have_is_disputed(self, market):
        signed = invoice_of(market)
        filed = [replace(one, paid_by="0x" + "ab" * 32) for one in self.filed(market, signed)]
        found = ledger_of(market, market.seller, books=books_of(market, invoices=tuple(filed)))
        assert self.standings(found) == [("1", "disputed")]
        assert not found.is_reconciled

    def test_an_overdue_invoice_says_so_and_is_no_gap(self, market):
        signed = invoice_of(market, issued_at=1, due=2)
        found = ledger_of(market, market.seller, books=books_of(market, invoices=self.filed(market, signed)))
        assert self.standings(found) == [("1", "overdue")]
        assert found.is_reconciled

    def test_two_invoices_cannot_bill_one_stretch_of_a_channel(self, market):
        stretch = Stretch(market.token.address, b"\x77" * 32, 2 * CENT)
        first = invoice_of(market, "1", channel=stretch)
        second = invoice_of(market, "2", amount=2 * CENT, channel=stretch, lines=(Item("more", 2 * CENT),))
        books = books_of(market, invoices=self.filed(market, first, second))
        found = ledger_of(market, market.seller, books=books)
        assert self.standings(found) == [("1", "open"), ("2", "disputed")]


def test_a_signature_of_another_length_or_spelling_is_no_signature(market):
    signed = invoice_of(market)
    r, s, v = signed.signature[:32], int.from_bytes(signed.signature[32:64], "big"), signed.signature[64]
    high = r + (SECP256K1_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    for other in (signed.signature[:64], high, b""):
        report = check_invoice(SignedInvoice(signed.invoice, other), market.node)
        assert [one.name for one in report.failures] == ["signature"]
        with pytest.raises(VerificationFailed):
            report.require()
