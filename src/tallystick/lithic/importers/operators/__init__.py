"""The operators that the importer reads, in one table; docs are made from it.

An operator's reader takes a node whose inputs are known and returns its outputs. Where an operator is supported only
in part, its line says so; a node outside that part is refused with its name and a hint.
"""

from __future__ import annotations

from tallystick.lithic.importers.operators import arithmetic, classic, curves, ensembles, pictures, reductions, shapes
from tallystick.lithic.importers.operators.reader import Operator

ML_DOMAIN = "ai.onnx.ml"

# (domain, name) → how it is read, and which part of it
OPERATORS: dict[tuple[str, str], Operator] = {
    **{("", name): operator for name, operator in arithmetic.OPERATORS.items()},
    **{("", name): operator for name, operator in curves.OPERATORS.items()},
    **{("", name): operator for name, operator in reductions.OPERATORS.items()},
    **{("", name): operator for name, operator in shapes.OPERATORS.items()},
    **{("", name): operator for name, operator in pictures.OPERATORS.items()},
    **{(ML_DOMAIN, name): operator for name, operator in classic.OPERATORS.items()},
    **{(ML_DOMAIN, name): operator for name, operator in ensembles.OPERATORS.items()},
}
