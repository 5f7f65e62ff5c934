"""Receipts of answers: one form, and one check, whatever an answer's mode of assurance.

    answer    what a contract settled or a member signed, by EIP-712
    request   the terms of a request, and its id, derived from all that was asked
    receipt   an answer with the evidence of its mode, as a file: `direct`, `optimistic`, `committee.votes`
    checking  the numbered steps that recheck one, with or without a chain
    reading   the one call by which a contract says whether an answer stands

The contracts behind it implement IAssurance.vyi; docs/spec/assurance.md teaches both.
"""
