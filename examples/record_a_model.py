"""Record a scikit-learn model and its next version: `python record_a_model.py FOLDER`.

Makes a workspace in FOLDER, trains on half of the iris data and records the model with the rows it saw; trains on all
of it, records and releases that; then rechecks both versions from chain and evidence alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import tallystick
from tallystick.core.ids import ModelRef
from tallystick.models.dataset import create
from tallystick.models.formats.sklearn import write_model
from tallystick.models.register import Training
from tallystick.models.rows import rows_of_array
from tallystick.tally import Tally

ORDER = np.random.default_rng(7).permutation(150)  # the data set is sorted by species


def main(folder: Path) -> int:
    """Record two versions of a model of irises; return 0 when every check of both holds."""
    source = load_iris()
    features, labels = source.data[ORDER].astype(np.float32), source.target[ORDER]
    data = create(folder / "data", (*source.feature_names, "species"))
    with tallystick.create(folder / ".tally") as tally:
        model_id = tally.models.register("iris species")
        for seq, rows in enumerate((75, 150), start=1):
            data = data.append(rows_of_array(features[data.size : rows], labels[data.size : rows]))
            model = LogisticRegression(max_iter=1_000).fit(features[:rows], labels[:rows])
            files = folder / f"v{seq}"
            files.mkdir()
            write_model(model, files, features=4)  # safetensors, configuration and ONNX; never a pickle
            metrics = {"train_accuracy": f"{model.score(features[:rows], labels[:rows]):.4f}"}
            added = tally.models.add_version(model_id, files, Training(metrics=metrics, dataset=data))
            print(f"version {model_id}@{seq}: changed {', '.join(added.kinds.names) or 'nothing, it is the first'}")
        tally.models.registrar.release(model_id, "production", 2)
        return _recheck(tally, model_id)


def _recheck(tally: Tally, model_id: int) -> int:
    report = tally.models.verify(ModelRef(model_id))
    for check in report.failures:
        print(f"WRONG {check.name}: {check.detail}")
    print(f"{report.passed} of {report.total} checks passed")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
