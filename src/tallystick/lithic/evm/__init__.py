"""Kernels as EVM code: an assembler, an emitter for each step, and the contracts they come together in."""
