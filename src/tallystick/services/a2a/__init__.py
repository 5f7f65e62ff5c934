"""The agent-to-agent protocol, version 1, both ways: a registered agent that does tasks, and the agents of others.

    card.py       the agent's card: made of its registration, signed with the key that the chain names, checked by that
    requests.py   what a message asks for, and where a payment travels in one (x402)
    executor.py   does a task: an ability of the workspace, paid for where it has a price
    tasks.py      tasks and their notification places, in a book that a restart does not empty
    push.py       notifications: only to public places or named hosts, signed by the agent's key
    serving.py    the server
    client.py     checks a card, sends messages, follows a task, pays within a limit

What is done is in `services.abilities`; the protocol is the SDK's.
"""
