"""Generated bindings, one module per contract: see tools/build_bindings.py."""
