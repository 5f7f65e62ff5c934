"""What clients say of agents, as files and as facts of the chain.

    feedback.py  the feedback file of ERC-8004, checked against the chain by its digest
    payments.py  whether the payment that a file names was made, to whom, how much, and what was burned

What is worth believing of it is the business of `agents.scoring`.
"""
