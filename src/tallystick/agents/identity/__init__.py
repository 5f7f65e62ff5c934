"""Who an agent is: its place in a registry, its registration file, its domain, its wallet, its keys and its name.

    reference.py     eip155:1:0x…/22, how an agent is named across chains
    registration.py  the registration file of ERC-8004: built, parsed, checked against the chain by its digest
    parsing.py       its members, read one by one
    domains.py       the file at /.well-known/agent-registration.json, by which a domain says that an agent is its own
    wallets.py       the signature by which a wallet says the same
    keys.py          which key signed for an agent at which time
    names.py         names, and which agent one means

What an agent says of itself is a claim. A check says what of it the chain, a domain or a signature confirms.
"""
