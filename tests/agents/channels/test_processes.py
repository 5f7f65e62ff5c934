"""Several processes on one book of a payee, and a process that dies at the worst moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tallystick.agents.channels.payee import Answered, Request
from tallystick.agents.channels.payee_book import PayeeBook, Taken
from tallystick.core.errors import Unavailable
from tests.agents.channels.kit import PRICE

# Takes a call, or takes and finishes it, says so, and waits to be killed.
CHILD = """
import sys, time
from pathlib import Path
from tallystick.agents.channels.payee_book import Offer, PayeeBook, Work
from tallystick.agents.channels.wire import read_payload
import orjson
told = orjson.loads(sys.stdin.buffer.readline())
request = read_payload(told["payload"])
book = PayeeBook(Path(told["book"]))
(taken,) = book.take([Offer(request.terms, request.signed, told["deposit"])])
if told["finish"]:
    book.finish([Work(taken.call, told["finish"], b"d" * 32, b"from the dead")])
print(type(taken).__name__, flush=True)
time.sleep(600)
"""


class Dying:
    """A payee in a process of its own that has a call in hand."""

    def __init__(self, pair, signed, finish=0):
        import orjson

        from tallystick.agents.channels.wire import payload

        self.child = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
        )
        told = {
            "payload": payload(pair.terms, signed), "book": str(pair.folder / "payee.db"), "deposit": 10_000,
            "finish": finish,
        }  # fmt: skip
        self.child.stdin.write(orjson.dumps(told) + b"\n")
        self.child.stdin.flush()
        assert self.child.stdout.readline() == b"Taken\n"

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(30)
        self.child.stdin.close()
        self.child.stdout.close()


def test_killed_before_it_was_done_the_call_is_done_by_another_and_charged_once(pair):
    signed = pair.sign()
    dying = Dying(pair, signed)
    assert isinstance(pair.take(signed), Unavailable)  # it lives: nobody takes its work away
    assert pair.account().pending == PRICE
    dying.kill()
    taken = pair.take(signed)
    assert isinstance(taken, Taken)
    answered = pair.finish(taken)
    assert pair.take(signed) == answered
    assert (pair.account().spent, pair.account().pending) == (PRICE, 0)


def test_killed_between_the_charge_and_the_answer_the_answer_is_given_by_another(pair):
    signed = pair.sign()
    Dying(pair, signed, finish=60).kill()
    answered = pair.take(signed)
    assert isinstance(answered, Answered)
    assert (answered.done.answer, answered.done.receipt.charged) == (b"from the dead", 60)
    assert pair.learn(signed, answered) is None
    assert pair.account().spent == 60


def test_what_the_dead_had_in_hand_is_free_again_when_a_book_is_opened(pair):
    signed = pair.sign()
    Dying(pair, signed).kill()
    assert pair.account().pending == PRICE
    book = PayeeBook(pair.folder / "payee.db")
    assert (book.account(pair.id).pending, book.account(pair.id).highest) == (0, PRICE)
    book.close()
    assert isinstance(pair.take(signed), Taken)  # and may still be made


def test_two_payees_on_one_book_serve_each_call_once(pair):
    other = pair.open_payee()
    signed = [pair.sign(n) for n in range(10)]
    requests = [Request(pair.terms, one) for one in signed]
    first = pair.payee.take(requests[:7])
    second = other.take(requests[3:])
    assert [isinstance(one, Taken) for one in first] == [True] * 7
    assert [isinstance(one, Taken) for one in second] == [False] * 4 + [True] * 3
    pair.payee.finish([(one, PRICE, b"first") for one in first])
    other.finish([(one, PRICE, b"second") for one in second[4:]])
    assert pair.account().spent == 10 * PRICE
    again = other.take(requests)
    assert [one.done.answer for one in again] == [b"first"] * 7 + [b"second"] * 3
    assert [one.done.receipt.spent for one in again] == [PRICE * n for n in range(1, 11)]


def test_a_book_that_was_closed_leaves_nobody_behind(pair):
    pair.take(pair.sign())
    pair.payee.book.close()
    book = PayeeBook(pair.folder / "payee.db")
    assert book.account(pair.id).pending == 0
    assert len(list((pair.folder / "payee.db.holders").iterdir())) == 1
    book.close()
