"""The integer model: what a kernel computes, to the last bit. Read `model` first, then `reference` and `intervals`."""
