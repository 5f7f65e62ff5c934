"""Trained models as contracts: cheap enough to call in any transaction, exact to the last bit.

    floats      what an importer read out of a trained model
    importers   ONNX, as scikit-learn, PyTorch, XGBoost and LightGBM write it
    quantise    from floats to integers: scales chosen on data, and what that costs in quality
    integer     the integer model: its steps, its reference in plain Python, the interval of every number
    lanes       many multiply-accumulates in one, and the proof that no lane overflows
    evm         the same as EVM code, in one contract or with parts beside it

    kernel      all of it together: a model, its code, its proof; predict, gas, deploy
    artifact    a kernel's file, and `checking`, which recomputes everything in it
    contract    a kernel seen from outside, on a chain
    build       from a file of a trained model to a kernel's file
    directory   which kernel is which version's: recorded, found, rechecked from chain and evidence
    assurance   answers asked of a kernel or given under bond, and the one step that refutes a wrong one
    committee   answers of providers under bond, for models that no contract can run
    receipts    one receipt for the answers of every mode, and one check

    kernel = compile_model(onnx_bytes, ranges={"age": (18, 90, 1), "income": (0, 200_000)})
    kernel.predict_raw([42, 31_000]), kernel.worst_gas, kernel.proof()

Everything down to the code is pure: no files, no network, no clock. Start with `integer/model.py`.
"""

from __future__ import annotations

from tallystick.lithic.artifact import Artifact
from tallystick.lithic.build import compile_model
from tallystick.lithic.checking import Origin, check_artifact
from tallystick.lithic.kernel import Kernel

__all__ = ["Artifact", "Kernel", "Origin", "check_artifact", "compile_model"]
