"""A policy file is read strictly: what it means is exactly what it says, and nothing mistyped is no limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.policy import new_policy, read_policy, write_policy
from tallystick.agents.policy.durations import format_duration, format_time, parse_duration, parse_time
from tallystick.agents.policy.nouns import NATIVE, NEVER, UNLIMITED, Level, Scope, Standing
from tallystick.agents.policy.signatures import parse_call
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import POLICY_BYTES_MAX
from tests.agents.policy import policies
from tests.agents.policy.policies import WHOLE, whole


def refusal(data: bytes) -> InvalidInput:
    """Return the error that a file is refused with."""
    with pytest.raises(InvalidInput) as caught:
        read_policy(data)
    return caught.value


class TestAWholeFile:
    """Every part means what it says."""

    def test_amounts_are_in_the_units_of_their_token(self) -> None:
        policy = whole()
        budget = policy.token(policies.USD).budget
        assert budget is not None
        assert (budget.cap, budget.refill, budget.period_s, budget.lifetime) == (
            100 * 10**6,
            50 * 10**6,
            86_400,
            5 * 10**9,
        )
        native = policy.token(NATIVE).budget
        assert native is not None
        assert (native.cap, native.lifetime) == (10**17, UNLIMITED)

    def test_names_stand_for_addresses_everywhere(self) -> None:
        policy = whole()
        assert policy.guardians == (policies.GUARDIAN, policies.address(14))
        assert policy.rules[0].target == policies.USD
        assert policy.rules[1].target == policies.VAULT
        assert policy.newcomers.registry == policies.REGISTRY

    def test_arguments_become_words_and_constraints_bounds(self) -> None:
        pay, deposit, tip = whole().rules
        assert (pay.payee_word, pay.amount_word, pay.call.selector.hex()) == (0, 1, "a9059cbb")
        assert (deposit.amount_word, deposit.payee_word, deposit.pulls) == (0, -1, True)
        only = int(policies.address(99), 16)
        assert [(one.word, one.low, one.high) for one in deposit.constraints] == [(1, only, only)]
        assert (tip.call.selector, tip.value_cap, tip.min_level) == (bytes(4), 10**16, Level.BOUNDED)

    def test_sessions_and_payees_keep_their_terms(self) -> None:
        policy = whole()
        agent, _ = policy.sessions
        assert (agent.operations, agent.operations_s, agent.denials, agent.heartbeat_s) == (100, 3_600, 3, 30 * 86_400)
        assert (agent.slots.count, agent.slots.cap, agent.mandate.hex()) == (10, 500_000, "ab" * 32)
        assert [one.standing for one in policy.payees][-1] is Standing.DENIED
        assert policy.payees[1].expires == NEVER

    def test_every_budget_is_a_bucket(self) -> None:
        scopes = [scope for scope, _, _ in whole().buckets()]
        assert [scopes.count(scope) for scope in Scope] == [2, 3, 1, 1]

    def test_what_is_written_is_read_back_the_same(self) -> None:
        policy = whole()
        assert read_policy(write_policy(policy)) == policy


class TestTheDigest:
    """It names what a policy means."""

    def test_names_order_and_spelling_do_not_change_it(self) -> None:
        other = WHOLE.replace(b"provider", b"someone").replace(b"rules.pay", b"rules.spend").replace(b'"1d"', b'"24h"')
        other = other.replace(b'"100"', b'"100.00"').replace(b"agent", b"worker")
        assert read_policy(other).digest() == whole().digest()

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'cap = "100"', b'cap = "101"'),
            (b'level = "bounded"', b'level = "propose"'),
            (b"denied = true", b"denied = false"),
            (b"threshold = 1", b"threshold = 2"),
            (b"amount = 0", b'amount = 0 # 1\nvalue_cap = "0.1"'),
            (b'cooling_off = "3d"', b'cooling_off = "2d"'),
            (b"chain_id = 1337", b"chain_id = 1"),
        ],
    )
    def test_any_change_of_meaning_does(self, old: bytes, new: bytes) -> None:
        assert read_policy(WHOLE.replace(old, new, 1)).digest() != whole().digest()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"[account]", b"[acount]", "document.missing"),
        (b"denials = {", b"denial = {", "document.unknown"),
        (b"lifetime =", b"livetime =", "document.unknown"),
        (b'format = "tallystick-policy-1"', b'format = "tallystick-policy-2"', "policy.format"),
        (b'cap = "100"', b"cap = 100", "amount.form"),
        (b'cap = "100"', b"cap = 1.5", "policy.float"),
        (b'cap = "100"', b'cap = "0.0000001"', "amount.decimals"),
        (b'cap = "100"', b'cap = "' + b"9" * 39 + b'"', "policy.range"),
        (b'refill = "50"\n', b"", "document.missing"),
        (b'period = "1d"', b'period = "1 day"', "policy.duration"),
        (b'period = "1d"', b'period = "0s"', "policy.range"),
        (b"decimals = 6\n", b"", "document.missing"),
        (b'address = "native"', b'address = "native"\ndecimals = 6', "policy.decimals"),
        (b'"ops", ', b'"opps", ', "policy.name"),
        (b"[addresses]", b'[addresses]\nUSD = "0x' + b"1" * 40 + b'"', "policy.name"),
        (b"denied = true", b'denied = true\nexpires = 2027-06-01T00:00:00Z', "policy.denied"),
        (b"2027-06-01T00:00:00Z", b"2027-06-01T00:00:00", "policy.time"),
        (b"2027-06-01T00:00:00Z", b"2027-06-01T00:00:00.5Z", "policy.time"),
        (b"payee = 0", b"payee = 1", "policy.argument"),
        (b"payee = 0", b"payee = 2", "policy.argument"),
        (b"amount = 1", b"amount = 0", "policy.argument"),
        (b"transfer(address,uint256)", b"transfer(address to, uint256)", "policy.call"),
        (b"transfer(address,uint256)", b"transfer(address,uint)", "policy.call"),
        (b'is = "', b'low = "5", is = "', "policy.constraint"),
        (b'level = "bounded"', b"level = 2", "policy.level"),
        (b'[sessions.agent.budgets.USD]', b"[sessions.agent.budgets.EUR]", "policy.token"),
        (b'"' + b"ab" * 32 + b'"', b'"0x' + b"ab" * 32 + b'"', "digest.hex"),
        (b"threshold = 1", b"threshold = 0x" + b"f" * 4000, "policy.range"),
        (b"threshold = 1", b"threshold = true", "document.type"),
        (b"[account]", b"[account", "policy.toml"),
        (b"[account]", b"\xff", "policy.toml"),
    ],
)  # fmt: skip
def test_a_file_with_one_fault_is_refused_by_name(old: bytes, new: bytes, code: str) -> None:
    assert old in WHOLE
    error = refusal(WHOLE.replace(old, new, 1))
    assert error.code == code
    assert str(error)


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    assert refusal(b"#" * (POLICY_BYTES_MAX + 1)).code == "policy.size"


def test_the_policy_to_begin_with_is_read_and_careful() -> None:
    made = new_policy(
        chain_id=1, owner=policies.OWNER, guardian=policies.GUARDIAN, token=policies.USD, decimals=6,
        payee=policies.SHOP, session=policies.AGENT, until=policies.AT,
    )  # fmt: skip
    policy = read_policy(made)
    assert policy.sessions[0].level is Level.BOUNDED
    assert policy.sessions[0].valid_until == policies.AT


class TestDurationsAndTimes:
    """Written and read they are the same."""

    @given(st.integers(0, 2**40))
    def test_a_duration_reads_back(self, seconds: int) -> None:
        assert parse_duration(format_duration(seconds), "it", 0, 2**40) == seconds

    @pytest.mark.parametrize("text", ["", "1", "h", "1h1d", "1d1d", "-1d", "1.5h", "01h", "1D", "1d ", None, 5])
    def test_another_spelling_is_refused(self, text: object) -> None:
        with pytest.raises(InvalidInput, match="no duration"):
            parse_duration(text, "it", 0, 2**40)

    @given(st.one_of(st.integers(0, 2**35), st.integers(0, NEVER)))
    def test_an_instant_reads_back(self, seconds: int) -> None:
        import tomllib

        assert parse_time(tomllib.loads(f"t = {format_time(seconds)}")["t"], "it") == seconds


class TestCalls:
    """A signature says its selector and where its arguments lie."""

    def test_static_tuples_and_arrays_fill_several_words(self) -> None:
        call = parse_call("f((address,uint256)[2],bytes,uint8[3],(string,bool),address)", "it")
        assert call.words == (0, 4, 5, 8, 9)
        assert not call.is_static

    def test_words_that_are_no_arguments_of_it_do_not_fit(self) -> None:
        call = parse_call("f(uint256[2],address,uint8)", "it")
        assert call.fits(2, 3, (0,))
        assert not call.fits(2, 3, (1,))
        assert not call.fits(3, -1, ())
        assert not call.fits(-1, 2, ())
        assert parse_call("0x01020304", "it").fits(9, 9, (9,))

    def test_a_selector_alone_is_enough(self) -> None:
        call = parse_call("0xa9059cbb", "it")
        assert call.selector.hex() == "a9059cbb"
        assert not call.is_named

    @pytest.mark.parametrize(
        "text",
        ["f", "f(", "f)", "f((address)", "f(address,)", "f(uint)", "f(uint7)", "f(bytes33)", "f(uint256[0])", "f( )",
         "1f()", "f()()", "0xA9059CBB", "0xa9059c", "f(())", "f" * 300 + "()"],
    )  # fmt: skip
    def test_what_is_no_signature_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="no function"):
            parse_call(text, "it")
