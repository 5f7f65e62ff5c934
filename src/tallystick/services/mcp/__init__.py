"""The Model Context Protocol, both ways: a workspace's abilities as tools, and the tools of others.

    shapes.py     JSON schemas of arguments and results, and the one check of both
    ability.py    an ability: its name, its shapes, what it costs, which level of autonomy it needs, what runs it
    abilities/    the abilities, by room, each a call of a door
    outcomes.py   how a result, an error and a challenge look on the wire
    payment.py    where a payment travels: in `_meta`, after x402
    till.py       what tools cost, and how the money is taken
    server.py     the server: abilities listed, called, paid for
    serving.py    over standard input and output, or over HTTP
    client.py     asks a server for its tools and calls them, paying within a limit

A tool that spends acts by one session of one wallet, both chosen by whoever starts the server, never by a caller: what
it may spend is for the chain to decide. The protocol is the SDK's; meaning and money are ours.
"""
