"""An application's model, from data to kernel: trained by scikit-learn, written by skl2onnx, compiled by Tallystick.

What lending, tumour, delivery and media share. Three tenths of the rows are held out: quality and gas are measured on
those alone, and nothing was chosen by looking at them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from skl2onnx import to_onnx

from tallystick.core.digest import sha256
from tallystick.lithic import Artifact, Kernel, compile_model
from tallystick.lithic.artifact import SourceFile
from tallystick.lithic.floats import FloatModel
from tallystick.lithic.importers import read_onnx
from tallystick.lithic.inspection import GasFigures, measure
from tallystick.lithic.quantise.derivation import Graph
from tallystick.lithic.quantise.grids import encode
from tallystick.lithic.quantise.quality import Quality, check_quality, quality
from tallystick.lithic.report import Costs, html_report

CONTRACTS = Path(__file__).parent / "contracts"
GAS_ROWS = 50  # held-out rows that gas is measured on

Ranges = Mapping[str, tuple[float, ...]]  # (low, high) or (low, high, step) of each feature, in the model's order


@dataclass(frozen=True)
class Rows:
    """Rows of features, the class of each, and what is known of each row but kept from the model."""

    features: np.ndarray
    classes: np.ndarray
    kept_out: Mapping[str, np.ndarray] = field(default_factory=dict)

    def take(self, places: np.ndarray) -> Rows:
        """Return the rows at these places."""
        kept_out = {name: column[places] for name, column in self.kept_out.items()}
        return Rows(self.features[places], self.classes[places], kept_out)


@dataclass(frozen=True)
class Application:
    """What is asked, of which data, by which kind of model, and which contract acts on the answer.

    ranges     what each feature can be, and whatever is outside is refused on chain; nothing: as in the rows trained
               on, and a tenth more at each end
    labels     of the classes, 0 and 1
    load       reads or makes the rows
    estimator  makes the scikit-learn model that is to be fitted
    more       measures what is particular to it
    """

    name: str
    model: str
    data: str
    contract: str
    features: tuple[str, ...]
    ranges: Ranges | None
    labels: tuple[str, str]
    load: Callable[[], Rows]
    estimator: Callable[[], Any]
    more: Callable[[Built], dict[str, str]] = lambda built: {}


@dataclass(frozen=True)
class Built:
    """A kernel, what it was made from, and what was measured on the rows held out."""

    application: Application
    fitted: Any
    onnx: bytes
    trained: FloatModel
    kernel: Kernel
    held_out: Rows
    quality: Quality
    gas: GasFigures

    def encoded(self, row: int) -> tuple[int, ...]:
        """Return a held-out row as the kernel's integers, clipped to the declared ranges."""
        return tuple(int(one) for one in encode(self.kernel.model.input, self.held_out.features[[row]], clip=True)[0])


def build(application: Application) -> Built:
    """Train, export, compile and measure.

    raises  InvalidInput "kernel.quality" when the integer model lost more than the floor allows
    """
    rows = application.load()
    order = np.random.default_rng(7).permutation(len(rows.classes))
    cut = len(order) * 7 // 10
    seen, held_out = rows.take(order[:cut]), rows.take(order[cut:])
    fitted = application.estimator().fit(seen.features, seen.classes)
    onnx = to_onnx(fitted, seen.features[:1].astype(np.float32), options={"zipmap": False}).SerializeToString()
    trained = read_onnx(onnx, name=application.name, features=application.features, labels=application.labels)
    how = Graph(application.name, labels=application.labels)
    kernel = compile_model(trained, ranges=application.ranges, sample=seen.features, graph=how, density_permille=1_000)
    kernel.proof()  # no lane overflows, whatever input is within the ranges
    compared = quality(trained, kernel.model, held_out.features, held_out.classes)
    check_quality(compared)
    inputs = encode(kernel.model.input, held_out.features[:GAS_ROWS], clip=True)
    gas = measure(kernel, [tuple(map(int, row)) for row in inputs])
    return Built(application, fitted, onnx, trained, kernel, held_out, compared, gas)


def figures(built: Built) -> dict[str, str]:
    """Return what was measured, by the name of its row in the table of README.md."""
    floats, integers = built.quality.of_float, built.quality.of_integer
    gas, kernel = built.gas, built.kernel
    assert kernel.bound is not None
    bounds = (kernel.bound.uncapped, kernel.bound.in_range)
    commoner = np.bincount(built.held_out.classes).max() / built.quality.rows
    return {
        "model": built.application.model,
        "data": built.application.data,
        "rows held out": f"{built.quality.rows:,}",
        "accuracy of the commoner answer": f"{commoner:.3f}",
        "accuracy, float → integer": f"{_short(floats.accuracy)} → {_short(integers.accuracy)}",
        "AUC, float → integer": f"{_short(floats.auc)} → {_short(integers.auc)}",
        "same decision": _short(built.quality.agreement),
        "score off by: on those of them in range": _off(built.quality.difference_inside),
        "score off by, proven: nothing capped, any input": ", ".join(_off(max(one, key=float)) for one in bounds),
        "execution gas: least, median, greatest": f"{gas.least:,}, {gas.median:,}, {gas.greatest:,}",
        "execution gas: bound": f"{kernel.worst_gas:,}",
        "deployment gas": f"{kernel.deployment_gas:,}",
        "bytes of code": f"{kernel.bytes_total:,}",
        **built.application.more(built),
    }


def write(built: Built, folder: Path) -> None:
    """Write the ONNX file, the kernel's file and the report on held-out rows to `folder`."""
    name = built.application.name
    source = SourceFile(f"{name}.onnx", sha256(built.onnx))
    kernel, gas = built.kernel, built.gas
    artifact = Artifact.of(kernel, quality=built.quality.figures(), source=source)
    costs = Costs(kernel.bytes_total, 1 + len(kernel.parts), kernel.worst_gas, gas.median, kernel.deployment_gas)
    report = html_report(
        kernel.model, built.quality, digest=kernel.digest.hex(), derivation=kernel.derivation, proof=kernel.proof(),
        costs=costs,
    )  # fmt: skip
    (folder / f"{name}.onnx").write_bytes(built.onnx)
    (folder / f"{name}.kernel.json").write_bytes(artifact.to_bytes())
    (folder / f"{name}.html").write_text(report, "utf-8")


def main(application: Application, folder: Path) -> int:
    """Build an application's kernel, write its files, and print what was measured."""
    built = build(application)
    write(built, folder)
    for name, value in figures(built).items():
        print(f"{name:40}  {value}")
    return 0


def _off(error: str) -> str:
    return f"{float(error):.2g}" if float(error) < 10 else f"{float(error):,.0f}"


def _short(figure: str | None) -> str:
    return "none" if figure is None else f"{float(figure):.3f}"
