"""Receipts of answers: one form, and one check, whatever an answer's mode of assurance.

    answer   what a contract settled or a member signed, by EIP-712
    request  the id of a request, derived from all that was asked

The contracts behind it implement IAssurance.vyi; docs/spec/assurance.md teaches both.
"""
