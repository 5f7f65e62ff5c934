"""Nouns and pure functions that every floor above shares. No input, no output, no clock, no randomness.

Read `errors` first, then `canonical` (the one encoding of everything signed), `merkle` (RFC 6962), and the
nouns that rooms share: `manifest`, `statement`, `record`, `ticket`, `receipt`.
"""
