"""Will a parcel be late? `python -m examples.kernels.delivery FOLDER`.

No public set of deliveries with their promises ships in a package that we could find, so the rows are made here,
openly: 6,000 shipments from a seeded generator that says below how a delay comes about. Speed falls with rain, wind and
traffic; stops, borders, depot queues and nights cost hours; and luck, which is not among the features, does the rest.
Figures on such rows show what the kernel keeps of the forest, and nothing about real carriers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from examples.kernels.application import Application, Ranges, Rows, main

RANGES: Ranges = {
    "promised": (6, 240, 1),  # hours
    "distance": (5, 3_000, 1),  # km
    "stops": (0, 40, 1),
    "borders": (0, 5, 1),
    "queue": (0, 5_000, 10),  # parcels before it at the depot
    "traffic": (0, 100, 1),  # per cent above free flow
    "rain": (0, 120, 1),  # mm a day
    "wind": (0, 140, 1),  # km/h
    "hour": (0, 23, 1),  # of pick-up
    "weekday": (0, 6, 1),  # 0 is Monday
    "weight": (0, 1_000, 1),  # kg
}
SHIPMENTS = 6_000


def load() -> Rows:
    """Return shipments drawn from one seed, and whether each came late."""
    draw = np.random.default_rng(20)
    n = SHIPMENTS
    distance = draw.gamma(1.6, 350, n)
    stops, borders = draw.poisson(2 + distance / 200), draw.binomial(5, np.minimum(distance / 6_000, 0.4))
    queue, traffic = draw.gamma(1.5, 600, n), draw.beta(1.5, 4, n) * 100
    rain, wind = draw.gamma(0.5, 14, n), draw.gamma(4, 6, n)
    hour, weekday, weight = draw.integers(0, 24, n), draw.integers(0, 7, n), draw.gamma(1.2, 60, n)
    speed = 62 / (1 + traffic / 250 + rain / 160 + np.maximum(wind - 50, 0) / 90)
    expected = distance / 62 + 0.35 * stops + 5 * borders + 8
    promised = expected * draw.choice((1.1, 1.35, 1.8, 2.5), n, p=(0.25, 0.35, 0.3, 0.1))
    taken = distance / speed + 0.4 * stops + queue / 180 + borders * draw.gamma(3, 2, n)
    taken += 9 * (hour >= 18) + 14 * (weekday >= 5) + 0.01 * weight + 2
    table = np.stack([promised, distance, stops, borders, queue, traffic, rain, wind, hour, weekday, weight], axis=1)
    low, high, step = np.array(list(RANGES.values())).T
    on_grid = np.clip(np.round(table / step) * step, low, high)
    return Rows(on_grid, (taken * draw.lognormal(0, 0.12, n) > on_grid[:, 0]).astype(int))


DELIVERY = Application(
    name="delivery",
    model="random forest, 24 trees of depth 6",
    data="made here from a seed",
    contract="Insurer.vy",
    features=tuple(RANGES),
    ranges=RANGES,
    labels=("in time", "late"),
    load=load,
    estimator=lambda: RandomForestClassifier(24, max_depth=6, min_samples_leaf=20, random_state=0),
)

if __name__ == "__main__":
    sys.exit(main(DELIVERY, Path(sys.argv[1])))
