"""Answers that a kernel gives through a contract, or somebody under bond, and what makes them worth believing.

    direct      a kernel asked through DirectModel, for a receipt
    staged      a model as a list of stages, each a contract that a referee can run alone
    trace       the vectors of one answer, their hashes, and the first stage at which somebody else's are wrong
    optimistic  ask for an answer, give one under bond, refute what is wrong, settle
    watcher     at work: looks at every new claim and refutes the wrong ones

The contracts are DirectModel.vy and OptimisticModel.vy; docs/spec/optimistic-model.md says why one move is enough.
"""
