# pragma version 0.4.3
"""
@title   PaymentChannels
@license Apache-2.0
@notice  Deposits that payers spend by signing vouchers, a thousand times a second where they like. The interface
         IPaymentChannels.vyi teaches the contract; IVoucherChannel.vyi is what a PolicyAccount asks of it.
@custom:invariant For each channel what went to the payee and back to the payer is at most what came in, and exactly that
                  once it is closed. The payee gets no more than a voucher that counts says; the payer gets the rest, at the
                  latest one delay after it asked, or when the channel expires. One channel's coins pay no other's.
@custom:kill      There is none: no administrator, no pause, no upgrade. Each payer can end its own channels.
@custom:security  Vouchers of keys outlive a freeze of the payer's account: a frozen account loses what its open channels
                  hold, less what comes back after their delay. Where the authorizer is zero and the payer has code, the
                  payer's answer counts when the voucher is brought: payees serve on such vouchers at their own risk.
                  Coins sent here without a verb are nobody's. A token that changes balances by itself breaks
                  conservation: never choose one (see coins).
"""

from ..interfaces import IPaymentChannels
from ..interfaces import IVoucherChannel
from . import coins
from .agents.channels import books
from .agents.channels import claims
from .agents.channels import deposits
from .agents.channels import endings
from .agents.channels import vouchers

implements: IPaymentChannels
implements: IVoucherChannel

initializes: coins
initializes: books
initializes: deposits[coins := coins, books := books]
initializes: claims[coins := coins, books := books]
initializes: endings[coins := coins, books := books, claims := claims]

exports: (
    coins.coin,
    books.channel_of,
    books.payer_of,
    books.id_of,
    deposits.open,
    deposits.open_with_authorization,
    deposits.top_up,
    deposits.refund,
    claims.claim,
    claims.claim_many,
    endings.ask_withdrawal,
    endings.withdraw,
    endings.close,
    vouchers.eip712Domain,
    vouchers.DOMAIN_SEPARATOR,
    vouchers.voucher_digest,
)


@deploy
def __init__(coin: address):
    coins.__init__(coin)
