"""Assurance by committee: answers of models that no contract can run, by named providers under bond.

`request` and `answer` are the forms, `decision` is the rule by which stake decides, and `feeds` signs the features that
a request may demand. The contract is `Committee`: read ICommittee.vyi.
"""
