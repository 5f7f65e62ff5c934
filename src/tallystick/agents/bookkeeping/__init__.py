"""The books of a workspace's agents: invoices, and a ledger in which every line is held against the chain.

    invoice          who bills whom for what, canonical and signed       (invoice_checks: whether one is good, and paid)
    invoice_book     numbers that are used once, on both sides
    invoice_paying   an invoice as something that a purse pays, once

    books            what this workspace wrote down of its payments, channels, transactions and invoices
    facts            what the chain has of the same accounts: transfers, authorizations, channels, balances
    matching         each line of the one with what it belongs to in the other   (matching_channels, invoices)
    ledger           lines, sheets and totals; what does not fit has its reason
    export           the lines as CSV that no spreadsheet takes for formulas

The chain decides what moved, the books what for. Nothing here sends or signs but an invoice.
"""

from __future__ import annotations
