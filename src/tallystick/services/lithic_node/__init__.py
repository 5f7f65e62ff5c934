"""A provider node: a process that answers requests of a committee for as long as it runs.

`run_node` steps a `lithic.committee.provider.Provider` until it is asked to stop; what a step does survives a crash.
`answerers` compute (a kernel, a Python function, an ONNX model), `endpoint` asks a language model, `plan` reads which
model is served by what. Nothing here listens.
"""

from __future__ import annotations

from tallystick.services.lithic_node.loop import Report, run_node
from tallystick.services.lithic_node.plan import Plan, read_plan

__all__ = ["Plan", "Report", "read_plan", "run_node"]
