"""Many multiply-accumulates in one MUL and ADD, and the proof that no lane overflows. See docs/lithic/kernels.md."""
