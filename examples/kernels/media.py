"""Is a picture synthetic? `python -m examples.kernels.media FOLDER`.

The model scores features that detectors and signed metadata give: it looks at no picture itself. No public table of
such features ships in a package that we could find, so the rows are made here, openly: 4,000 pictures from a seeded
generator, of whose features the synthetic ones have more, or less, on the average, and with much overlap. Figures on
such rows show what the kernel keeps of the logistic regression, and nothing about real pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.kernels.application import Application, Ranges, Rows, main

PER_CENT = (0, 100, 0.5)
RANGES: Ranges = {
    "spectral peaks": PER_CENT,  # regular peaks that upsampling leaves in the spectrum
    "noise residual": PER_CENT,  # likeness of its noise to that of a sensor
    "blending edges": PER_CENT,
    "lighting": PER_CENT,  # agreement of shadows and highlights
    "reflections": PER_CENT,  # agreement of both eyes' reflections
    "anatomy": PER_CENT,  # doubt about hands, teeth and ears
    "compressions": (0, 8, 1),  # how often it was compressed
    "capture signed": (0, 1, 1),  # a camera's signature over the picture holds
    "edits signed": (0, 1, 1),  # an editor's signed history holds
    "known generator": PER_CENT,  # a watermark detector's score
}
# How far the synthetic ones' mean is from the others', in per cent; and how far one picture is from the next.
SHIFTS = {
    "spectral peaks": 18, "noise residual": -22, "blending edges": 9, "lighting": -8, "reflections": -10, "anatomy": 12,
}  # fmt: skip
SPREAD = 14
PICTURES = 4_000


def load() -> Rows:
    """Return pictures drawn from one seed, and whether each is synthetic."""
    draw = np.random.default_rng(30)
    n = PICTURES
    is_synthetic = draw.random(n) < 0.4
    scores = {name: draw.normal(50 + is_synthetic * shift, SPREAD, n) for name, shift in SHIFTS.items()}
    others = {
        "compressions": draw.poisson(1.5 + 0.5 * is_synthetic),
        "capture signed": draw.random(n) < np.where(is_synthetic, 0.01, 0.3),
        "edits signed": draw.random(n) < np.where(is_synthetic, 0.1, 0.2),
        "known generator": draw.beta(1.2 + 1.5 * (is_synthetic & (draw.random(n) < 0.5)), 4, n) * 100,
    }
    table = np.stack([np.asarray({**scores, **others}[name], dtype=float) for name in RANGES], axis=1)
    low, high, step = np.array(list(RANGES.values())).T
    return Rows(np.clip(np.round(table / step) * step, low, high), is_synthetic.astype(int))


MEDIA = Application(
    name="media",
    model="logistic regression",
    data="made here from a seed",
    contract="Gallery.vy",
    features=tuple(RANGES),
    ranges=RANGES,
    labels=("captured", "synthetic"),
    load=load,
    estimator=lambda: make_pipeline(StandardScaler(), LogisticRegression()),
)

if __name__ == "__main__":
    sys.exit(main(MEDIA, Path(sys.argv[1])))
