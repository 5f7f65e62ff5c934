"""Validations of an agent's work, linked to what the chain knows of that work.

subject.py  what a request hash stands for: a salted document that names a log entry and a model version
verify.py   a check that everything it names is on chain and belongs together
"""
