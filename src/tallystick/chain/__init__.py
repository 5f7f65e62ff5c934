"""The only room that speaks to nodes.

`connect` gives a `Node`, the typed client of an embedded ledger or of any EVM node; bindings read through it. What
changes the chain is a `Call`, which only the outbox sends, under an idempotency key and from an `Account`; `deploy`
puts the packaged contracts where every chain has them. `evidence` recomputes what a node merely claims.
Nothing is imported here: web3.py and py-evm cost seconds, so take what you need from its own file.
"""
