"""Optional credentials: who operates an agent, under which jurisdiction, in the words of an issuer.

operator.py  the document behind a credential, kept off chain, and the check that opens it
"""
