"""How far to believe what is said of an agent: ratings weighed by trust that has to be paid for.

    flow.py      the greatest flow through a network, in integers
    trust.py     who vouches for whom, by payments; an agent's score, and what it is without any one seed
    baseline.py  the two averages that everybody begins with, to compare
    attacks.py   an honest economy and seven attacks on it, each with its cost and its yield

A score depends on the seeds that its reader chose: there is no score that everybody must believe.
docs/spec/agent-scoring.md says why the method holds, and what it does not withstand.
"""

from __future__ import annotations

from tallystick.agents.scoring.trust import Payment, Rating, Score, Seed, Terms, Trust

__all__ = ["Payment", "Rating", "Score", "Seed", "Terms", "Trust"]
