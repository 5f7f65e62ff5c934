"""Why a payment is refused: x402's own codes where it has one, ours after `tally_`, each with what it means."""

from __future__ import annotations

from typing import Final

# x402, specifications/schemes/exact and the reference facilitator
SCHEME: Final = "unsupported_scheme"
NETWORK: Final = "network_mismatch"
PAYLOAD: Final = "invalid_payload"
SIGNATURE: Final = "invalid_exact_evm_payload_signature"
UNDEPLOYED: Final = "invalid_exact_evm_payload_undeployed_smart_wallet"
RECIPIENT: Final = "invalid_exact_evm_payload_recipient_mismatch"
VALUE: Final = "invalid_exact_evm_payload_authorization_value_mismatch"
EXPIRED: Final = "invalid_exact_evm_payload_authorization_valid_before"
EARLY: Final = "invalid_exact_evm_payload_authorization_valid_after"
USED: Final = "invalid_exact_evm_nonce_already_used"
BALANCE: Final = "invalid_exact_evm_insufficient_balance"
SIMULATION: Final = "invalid_exact_evm_transaction_simulation_failed"
EVENT: Final = "invalid_exact_evm_transfer_event_mismatch"
DOMAIN: Final = "missing_eip712_domain"
FAILED: Final = "transaction_failed"
PENDING: Final = "settlement_pending"

# ours
ASSET: Final = "tally_asset_not_allowed"
PAYEE: Final = "tally_payee_not_allowed"
TERMS: Final = "tally_terms_changed"
OPERATION: Final = "tally_other_operation"
BOUND: Final = "tally_nonce_claimed"
PAYER: Final = "tally_payer_failures"
IN_WORK: Final = "tally_in_work"
IDENTIFIER: Final = "tally_payment_id"
WORK: Final = "tally_work_failed"
OWED: Final = "tally_owed_back"
DELIVERED: Final = "tally_delivered"
NOT_THERE: Final = "tally_not_on_chain"
EXPENSIVE: Final = "tally_gas"

MEANINGS: Final = {
    SCHEME: "this way of paying is not taken here",
    NETWORK: "the payment is for another network than it was asked for",
    PAYLOAD: "the payment is malformed; the message says where",
    SIGNATURE: "the payer did not sign this",
    UNDEPLOYED: "the payer is an account that is not there yet; nobody makes it here",
    RECIPIENT: "the payment goes to somebody else than it was asked for",
    VALUE: "the payment is of another amount than was asked for",
    EXPIRED: "the authorization has ended, or would before it could be mined",
    EARLY: "the authorization has not begun",
    USED: "the authorization was used or cancelled",
    BALANCE: "the payer has too little of the token",
    SIMULATION: "the token would refuse the transfer",
    EVENT: "the transaction was mined and the token shows no such transfer",
    DOMAIN: "the requirements do not name the token's EIP-712 domain",
    FAILED: "the transaction was mined and reverted, or could not be sent",
    PENDING: "nobody knows yet; repeat the same payment",
    ASSET: "this token is not on the list of those that are settled here",
    PAYEE: "payments to this address are not settled here",
    TERMS: "what was accepted is not what is asked for now; ask again without a payment",
    OPERATION: "the payment was made, or is claimed, for another request",
    BOUND: "another payment with the same nonce is claimed",
    PAYER: "too many payments of this payer failed; it may try again later",
    IN_WORK: "the same payment is being worked on; repeat it",
    IDENTIFIER: "the payment's identifier is malformed, or stands for another request",
    WORK: "the work failed; nothing was settled, and the payment may be used again",
    OWED: "the work that was paid for failed; the payment is owed back",
    DELIVERED: "what the payment bought was delivered as often as it is, and is kept no longer",
    NOT_THERE: "the facilitator says that it settled, and the chain shows no such transfer",
    EXPENSIVE: "the transfer would cost more gas than is paid for here",
}  # fmt: skip
