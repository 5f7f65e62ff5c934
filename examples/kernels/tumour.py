"""Is a breast tumour malignant? `python -m examples.kernels.tumour FOLDER`.

Data: 569 fine-needle aspirates from Wisconsin, thirty measures of the cell nuclei of each (W. N. Street, W. H. Wolberg
and O. L. Mangasarian, 1993), as scikit-learn ships them. Class 1 is malignant, which is the other way round there.

A small network, 30-4-4-1, as other systems that compute on chain have shown. To miss a tumour is worse than to look
again, so the contract does not take the network's word alone: see contracts/Triage.vy. A measurement beyond the
declared ranges, which are those of the rows trained on and a tenth more at each end, is refused and not guessed at.
This is an example of a technique, not a medical device.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.kernels.application import Application, Rows, main


def load() -> Rows:
    """Return the measures, and whether each tumour was malignant."""
    source = load_breast_cancer()
    return Rows(source.data, 1 - source.target)


TUMOUR = Application(
    name="tumour",
    model="network 30-4-4-1, ReLU",
    data="breast cancer, Wisconsin (scikit-learn)",
    contract="Triage.vy",
    features=tuple(str(name) for name in load_breast_cancer().feature_names),
    ranges=None,
    labels=("benign", "malignant"),
    load=load,
    estimator=lambda: make_pipeline(
        StandardScaler(), MLPClassifier((4, 4), alpha=0.01, learning_rate_init=0.01, max_iter=2_000, random_state=0)
    ),
)

if __name__ == "__main__":
    sys.exit(main(TUMOUR, Path(sys.argv[1])))
