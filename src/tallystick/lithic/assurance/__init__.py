"""Answers that are not computed in the same transaction, and what makes them worth believing.

    staged      a model as a list of stages, each a contract that a referee can run alone
    trace       the vectors of one answer, their hashes, and the first stage at which somebody else's are wrong
    optimistic  ask for an answer, give one under bond, watch those of others and refute what is wrong

The contract is OptimisticModel.vy; docs/spec/optimistic-model.md says why one move is enough.
"""
