# pragma version 0.4.3
"""
@title   Committee
@license Apache-2.0
@notice  Answers of named providers under bond, by vote or median of stake, for contracts that cannot run the model. The
         interface ICommittee.vyi teaches the contract; this shell composes its modules.
@custom:invariant Of its one coin, native or a token, what came in is what went out and what is held: bonds, credits, the
                  ceilings of open requests, and what was burned. A request ends fulfilled or timed out, after its
                  deadline whenever anybody asks. A provider that reveals in time what its key signed once, and as its
                  kernel says, never loses its bond.
@custom:kill      There is none: no administrator, no pause, no upgrade. A provider leaves by ending its offers and
                  announcing the withdrawal of its bond.
@custom:security  A committee is as good as the members that the consumer names. Native coins sent without a call are
                  refused; coins forced in, and tokens sent past it, are nobody's. A settled answer stands even if its
                  members are slashed later.
"""

from ..interfaces import IAssurance
from ..interfaces import ICommittee
from . import coins
from .assurance import answers
from .committee import credits
from .committee import offers
from .committee import proofs
from .committee import providers
from .committee import requests
from .committee import rounds

implements: IAssurance
implements: ICommittee

initializes: coins
initializes: credits[coins := coins]
initializes: providers[coins := coins]
initializes: offers[providers := providers]
initializes: requests[coins := coins, providers := providers, offers := offers]
initializes: rounds[credits := credits, providers := providers, requests := requests]
initializes: proofs[requests := requests, rounds := rounds]

exports: (
    coins.coin,
    credits.collect,
    credits.credit_of,
    providers.register,
    providers.rotate_key,
    providers.top_up,
    providers.announce_withdrawal,
    providers.withdraw_bond,
    providers.provider_at,
    providers.provider_key_at,
    providers.key_digest,
    providers.withdrawal_delay_s,
    offers.offer_model,
    offers.end_offer,
    offers.offer_of,
    requests.ask,
    requests.request_id_of,
    requests.terms_of,
    requests.answer_digest,
    rounds.commit,
    rounds.reveal,
    rounds.settle,
    rounds.request_at,
    rounds.seat_of,
    rounds.read_answer,
    rounds.burned,
    proofs.prove_equivocation,
    proofs.prove_contradiction,
    answers.eip712Domain,
)


@deploy
def __init__(coin: address):
    coins.__init__(coin)
