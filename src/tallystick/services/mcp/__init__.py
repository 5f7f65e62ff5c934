"""The Model Context Protocol, both ways: a workspace's abilities as tools, and the tools of others.

    outcomes.py   how a result, an error and a challenge look on the wire
    payment.py    where a payment travels: in `_meta`, after x402
    server.py     the server: abilities listed, called, paid for
    serving.py    over standard input and output, or over HTTP
    client.py     asks a server for its tools and calls them, paying within a limit

A tool that spends acts by one session of one wallet, both chosen by whoever starts the server, never by a caller: what
it may spend is for the chain to decide. What tools there are and what they cost is in `services.abilities`; the
protocol is the SDK's.
"""
