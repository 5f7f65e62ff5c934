"""What a prediction costs as a kernel, beside two networks in Vyper that compute the same numbers."""

from __future__ import annotations

from typing import Any

from benches._vyper_models import Written, naive, packed
from tallystick.lithic.integer.model import IntegerModel, Vector
from tallystick.lithic.integer.reference import predict
from tallystick.lithic.kernel import compile_integer
from tallystick.lithic.shapes import NAMES, shape

QUESTION = "How much gas does a prediction take on chain, beside the same model written in Vyper?"

QUICK = ("30-1", "30-4-1", "30-4-4-1", "gbdt-50x3")


def _gas(written: Written, model: IntegerModel, x: Vector) -> int:
    """Return a baseline's gas; raises RuntimeError when it computes something else, as it then is none."""
    done = written.run(model, x)
    if written.answer(done) != predict(model, x):
        raise RuntimeError(f"a baseline of {model.name} is wrong")
    return done.gas


def run(quick: bool) -> dict[str, Any]:
    """Measure execution gas of every reference shape and input three times over."""
    figures: dict[str, float] = {}
    peer: dict[str, float] = {}
    for name in QUICK if quick else NAMES:
        made = shape(name)
        kernel = compile_integer(made.model, density_permille=made.density_permille)
        first, careful = naive(made.model), packed(made.model)
        for what, x in made.inputs.items():
            title = name if len(made.inputs) == 1 else f"{name}, {what},"
            if kernel.run(x) != kernel.predict(x):
                raise RuntimeError(f"the kernel of {name} is wrong")
            figures[f"{title}_gas"] = kernel.gas(x)
            peer[f"{title}_gas"] = _gas(careful, made.model, x)
            peer[f"{title}_naive_gas"] = _gas(first, made.model, x)
        figures[f"{name}_gas_at_worst"] = kernel.worst_gas
        figures[f"{name}_deployment_gas"] = kernel.deployment_gas
        if made.products:
            figures[f"{name}_gas_per_product"] = kernel.worst_gas / made.products
    return {"figures": figures, "peer": peer, "notes": NOTES}


NOTES = [
    "Execution gas, without the 21,000 and the calldata of a transaction; weights and inputs from lithic/shapes.py.",
    "Peer: the same integer model in Vyper 0.4.3, optimised for gas: outputs packed in lanes, weights in code, "
    "zeros passed over, checks left out; naive: a storage slot for each number, one multiplication at a time.",
    "All three give the same numbers, compared in this run. Deployment is whole transactions.",
    "Published, not run here: evm-neural-network, 400-32-16-10, 41,036,311 a transaction; ML2SC (arXiv 2404.16967), "
    "30-1, 30-4-1 and 30-4-4-1 in PRBMath fixed point, some 135,000, 324,000 and 361,000 a prediction when rebuilt; "
    "EZKL, a proof of 30-4-4-1, some 625,000 to verify and 18 s to make. No figure was found for trees.",
]  # fmt: skip
