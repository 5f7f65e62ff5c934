"""What the chain runs, as data: compiled contracts, their interfaces and their sources.

`artifact("ModelRegistry")` is all that deployment and bindings need, without a compiler. To learn a contract read its
interface in `interfaces/*.vyi`, then the shell in `src/*.vy`. Artifacts are made by `tools/build_artifacts.py`;
`codes.py` names the numbers that contracts use for kinds and status.
"""

from __future__ import annotations

from tallystick.contracts.codes import Kind, Status
from tallystick.contracts.package import Artifact, artifact, names, source

__all__ = ["Artifact", "Kind", "Status", "artifact", "names", "source"]
