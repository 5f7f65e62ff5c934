"""Each row of the threat model about channels, payments and protocols is shown by tests, and says in which files."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.house import tree

PAGE = tree.ROOT / "docs" / "threat-model.md"

# What an attacker tries, and the tests that try it. Rows without tests are losses that the page owns to.
THREATS: dict[str, dict[str, tuple[str, ...]]] = {
    "Payment channels": {
        "signs everything away": (
            "test_nobody_claims_beyond_the_voucher_or_beyond_the_deposit",
            "test_a_freeze_stops_the_accounts_own_word_and_not_its_key_and_the_rest_comes_back",
        ),
        "claims more than it charged": (
            "test_a_step_ahead_makes_one_voucher_serve_many_calls_and_is_the_most_that_is_at_risk",
            "test_closing_takes_no_more_than_a_voucher_gives",
        ),
        "claims twice, an older voucher, beyond voucher or deposit, for another channel, contract or chain": (
            "test_a_voucher_counts_once_and_an_older_one_no_more",
            "test_a_voucher_of_another_channel_contract_chain_or_key_is_not_signed",
        ),
        "answers nothing, or answers with a forged receipt": (
            "test_what_is_given_up_frees_its_bound_and_its_receipt_still_counts",
            "test_forged_receipts_are_told_and_change_nothing",
        ),
        "withdraws while calls go on": (
            "test_when_the_payer_wants_the_rest_back_no_call_is_taken_and_what_is_owed_can_be_claimed",
            "test_a_view_of_half_a_minute_is_within_the_delay",
        ),
        "denies its vouchers": ("test_a_payer_with_code_and_no_key_is_refused",),
        "carries a payment to another request, or repeats one": (
            "test_a_voucher_is_not_carried_to_another_operation",
            "test_the_same_call_again_gets_the_same_answer_and_costs_nothing",
        ),
        "spoils a batch of claims by bringing one first": ("test_a_claim_that_does_not_count_holds_up_no_other",),
        "claims for the payee too early": ("test_anybody_brings_a_voucher_and_the_payee_gets_the_difference",),
        "calls back": (
            "test_coins_are_conserved_whatever_is_called_in_the_middle",
            "test_a_coin_that_lies_takes_nothing_from_another_contract",
        ),
        "answers without a charge, charges twice": (
            "test_killed_before_it_was_done_the_call_is_done_by_another_and_charged_once",
            "test_killed_between_the_charge_and_the_answer_the_answer_is_given_by_another",
        ),
    },
    "Payments": {
        "sends it many times at once, to be served often": (
            "test_of_many_requests_with_one_payment_one_is_worked_for_and_the_payer_is_charged_once",
            "test_processes_that_settle_one_payment_at_once_send_one_transaction",
        ),
        "carries it to another request of the same price": (
            "test_a_payment_for_one_request_buys_no_other_of_the_same_price",
            "test_one_request_in_two_spellings_is_one_operation",
        ),
        "takes the answer and then cancels, empties the account, or has the account say no": (
            "test_an_account_that_changes_its_mind_before_the_settlement_costs_nobody_gas",
            "test_a_payer_without_enough_is_refused_before_the_work",
            "test_a_cancelled_authorization_is_no_payment_whatever_is_said",
        ),
        "shows one transfer for two payments": (
            "test_one_transfer_does_not_count_for_two_payments_in_one_transaction",
            "test_settled_by_the_transaction_of_another_payment_is_not_believed",
        ),
        "changes amount, payee, token, domain, times or signature": (
            "test_a_payment_of_something_else_is_refused_with_its_reason",
            "test_our_verdict_is_the_reference_facilitators_reason_and_all",
            "test_a_token_that_nobody_listed_is_not_settled",
            "test_another_signature_for_a_nonce_that_is_claimed_is_refused",
        ),
        "burns the gas of whoever settles, answers simulations and blocks differently": (
            "test_an_account_that_burns_gas_or_answers_nonsense_is_refused_without_a_transaction",
            "test_an_account_that_lies_to_simulations_costs_little_and_not_often",
        ),
        "brings it first, so that the seller's own transaction fails": (
            "test_a_payment_that_a_stranger_brings_first_is_settled_and_its_answer_leaves",
            "test_a_cashier_gives_the_answer_for_a_payment_that_was_brought_while_it_worked",
        ),
        "asks for the answer that another paid for": (
            "test_who_saw_a_payment_on_the_chain_does_not_get_its_answer_without_its_identifier",
            "test_nobody_is_served_for_a_payment_that_was_already_on_the_chain",
        ),
        "gives one client's answer to the next": (
            "test_no_cache_between_keeps_a_paid_answer_or_a_demand_whatever_the_application_says",
        ),
        "names another payee than before or than its identity": (
            "test_a_seller_that_names_another_payee_is_not_paid_until_somebody_says_so",
        ),
        "asks for too much, or for little very often": (
            "test_what_may_be_paid_in_a_day_counts_what_is_undecided_and_warns_before_its_end",
            "test_there_are_no_more_payments_in_a_period_than_slots",
        ),
        "asks for a second payment": (
            "test_a_seller_that_asks_for_more_after_it_was_paid_gets_the_same_payment",
            "test_asked_twice_a_purse_gives_the_same_payment_until_its_outcome_is_known",
        ),
        "says settled and did not, or says refused and took it": (
            "test_a_seller_that_says_settled_without_a_transfer_is_found_out",
            "test_a_seller_that_takes_the_money_and_says_refused_is_found_out",
        ),
        "takes it and answers nothing, or nonsense": (),
        "says settled without a transfer, failed after one, or nothing": (
            "test_settled_without_a_transfer_is_not_believed_and_no_answer_leaves",
            "test_failed_is_not_believed_where_the_chain_shows_the_transfer",
            "test_a_facilitator_that_answers_nonsense_says_nothing",
        ),
        "has it settle what others brought, floods it": (
            "test_without_a_claim_a_payment_that_others_brought_buys_nothing",
            "test_a_flood_is_answered_with_429_until_time_has_passed",
            "test_clients_show_a_token_where_there_are_any",
        ),
        "charges twice, or charges and does not answer": (
            "test_killed_in_a_settlement_it_is_finished_by_whoever_asks_next_and_once",
            "test_after_a_crash_of_the_payer_the_same_payment_is_sent_again_and_no_challenge_is_asked_for",
            "test_while_the_node_is_down_the_server_says_503_and_never_asks_for_a_second_payment",
        ),
        "takes the transfer back after the answer left": (),
        "leaves signed payments good": ("test_a_frozen_account_signs_nothing_and_what_it_signed_is_worth_nothing",),
    },
    "Protocols and planners": {
        "orders payments, allowances, a higher level": (
            "test_what_a_text_orders_is_obeyed_and_stopped",
            "test_the_name_of_a_token_is_a_text_too",
            "test_a_flood_of_orders_takes_no_more_than_the_bound",
        ),
        "names another wallet or key, spends more": (
            "test_no_caller_chooses_the_wallet_or_names_a_key_of_the_workspace",
            "test_a_payment_within_the_policy_is_made_and_one_beyond_is_refused_by_the_chain",
        ),
        "reaches a server that may spend": (
            "test_over_http_a_wallet_is_not_served_to_whoever_reaches_the_port",
            "test_a_page_elsewhere_reaches_nothing_by_another_name",
        ),
        "answers without end, in nonsense, or demands a second payment": (
            "test_what_is_no_answer_is_an_error_in_our_words",
            "test_an_unknown_outcome_demands_nothing_and_the_same_payment_goes_on",
        ),
        "changes it, shows another's, signs with an old key, leads elsewhere": (
            "test_whatever_is_changed_after_signing_is_seen",
            "test_a_key_that_was_rotated_revoked_or_sold_away_signs_no_more",
            "test_a_card_that_leads_elsewhere_is_not_followed",
        ),
        "makes us speak to our own network": (
            "test_no_caller_makes_us_speak_to_a_place_inside",
            "test_a_host_that_moves_inside_after_it_was_accepted_is_not_spoken_to",
        ),
        "reads the tasks of others, pays for one thing and gets another": (
            "test_nobody_sees_the_tasks_of_others",
            "test_a_payment_buys_what_the_task_asked_for_first_and_nothing_else",
        ),
        "reads files, dials, forks, fills memory and disk": (
            "test_every_wall_holds",
            "test_a_wall_that_is_missing_is_named_and_nothing_runs",
        ),
        "rate themselves up": (
            "test_both_averages_fall_to_washed_payments_and_the_score_does_not_move",
            "test_an_attacker_adds_no_more_than_crosses_his_border",
        ),
    },
}


@cache
def where() -> dict[str, str]:
    """Return the file of each test, as the page names it."""
    found = {}
    for path in (tree.ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found[node.name] = path.relative_to(tree.ROOT / "tests").with_suffix("").as_posix()
    return found


def rows(section: str) -> dict[str, str]:
    """Return what is tried and what is said to show it, of one table of the page."""
    part = PAGE.read_text("utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    cells = [line.split("|") for line in part.splitlines() if line.startswith("| ")][1:]
    return {cell[3].strip(): cell[5].strip() for cell in cells}


@pytest.mark.parametrize("section", THREATS)
def test_every_row_is_tried_by_tests_that_are_there_and_named_by_their_files(section: str) -> None:
    told = rows(section)
    assert list(told) == list(THREATS[section])
    for tries, names in THREATS[section].items():
        assert set(names) <= set(where()), tries
        shown = ", ".join(f"`{file}`" for file in sorted({where()[name] for name in names}))
        assert told[tries] == (shown or "—"), tries


def test_a_row_without_a_test_says_that_it_is_possible() -> None:
    text = PAGE.read_text("utf-8")
    for section in THREATS.values():
        for tries, names in section.items():
            (line,) = [line for line in text.splitlines() if f"| {tries} |" in line]
            assert names or line.split("|")[4].strip().startswith("possible"), tries
