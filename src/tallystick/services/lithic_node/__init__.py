"""A provider node: a process that answers requests of a committee for as long as it runs.

`run_node` steps a `lithic.committee.provider.Provider` until it is asked to stop; what a step does survives a crash. It
steps a `lithic.assurance.watcher.Watcher` just so.
`answerers` compute (a kernel, a Python function, an ONNX model), `endpoint` asks a language model, `plan` reads which
model is served by what. Nothing here listens.
"""

from __future__ import annotations

from tallystick.services.lithic_node.loop import Deed, Report, Worker, run_node
from tallystick.services.lithic_node.plan import Plan, read_plan

__all__ = ["Deed", "Plan", "Report", "Worker", "read_plan", "run_node"]
