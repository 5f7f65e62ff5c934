"""Payment for one call: x402 version 2, `exact` over EIP-3009, on both sides, with books that survive a crash.

    operation    what a payment is for, by a hash that both sides compute
    wire         the objects as they travel
    outcomes     settled, refused, unknown; and the seams that schemes and payers keep
    cashier      the seller's side: take up, work, settle, answer the same again       (claims: its book)
    purse        the payer's side: weigh, sign once, remember, reconcile              (purse_book: its book)
    payers, slots            who signs: a key, or a session of a policy account
    verifying, settling      whether a payment is good, and bringing it to the token, once
    transfers                what the chain itself says of a payment
    terms, reasons           what is asked for, and why a payment is refused

Transports carry and decide nothing: HTTP, MCP and A2A stand on the same cashier and purse.
"""

from __future__ import annotations
