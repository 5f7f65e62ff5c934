"""Fixtures of the chain floor."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("chain", deadline=None, max_examples=2_000 if os.environ.get("TALLYSTICK_LONG") else 100)
settings.load_profile("chain")
