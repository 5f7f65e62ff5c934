"""Fixtures that every floor may use."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # so that plugins beside this file can be imported by name

pytest_plugins = ["anvil_node"]
