"""Assurance by committee: answers of models that no contract can run, by named providers under bond.

`request` and `answer` are the forms, `decision` is the rule by which stake decides, `receipt` rechecks a settled answer
without a chain, and `feeds` signs the features that a request may demand. `provider` is the work of a provider, with
its `journal` on disk and `joining` to begin; `services.lithic_node` runs it. The contract: read ICommittee.vyi.
"""
