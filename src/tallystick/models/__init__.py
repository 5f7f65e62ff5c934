"""The room of models: what a model is made of, who changed it, from what, and how anyone can recheck it.

    formats/      safetensors, ONNX and scikit-learn read as evidence; `formats.folder.inspect` reads a whole folder
    roots.py      the four roots of a version, and which changes move which
    rows.py, dataset.py   training data as an append-only log of salted rows
    statement.py  what a signer binds, as an in-toto statement in a DSSE envelope
    keeping.py, evidence.py   where evidence lies in a blob store, written and read
    register.py   the publisher's verbs: register, add_version, release, set_status, set_delegate, rotate_key
    history.py, diff.py   the life of a model, and what changed between two versions, as data
    verify.py     the audit: everything recomputed from the chain and the evidence alone
    projection.py the registry's events as tables for the index

A publisher begins at `register.Registrar`, an auditor at `verify.Auditor`, a reader at docs/spec/version-statement.md.
"""
