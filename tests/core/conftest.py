"""Hypothesis settings: no deadlines, as no test here may depend on the clock; `TALLYSTICK_LONG` multiplies examples."""

import os

from hypothesis import settings

settings.register_profile("tallystick", deadline=None, max_examples=2_000 if os.environ.get("TALLYSTICK_LONG") else 100)
settings.load_profile("tallystick")
