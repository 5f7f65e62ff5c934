"""What a gateway counts, for people as JSON and for Prometheus as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counts:
    """Since the start. Seconds are sums; divide by their count for a mean."""

    statuses: Counter[int] = field(default_factory=Counter)  # of answers to inference requests
    predictions: int = 0  # answered with a ticket
    predict_s: float = 0.0  # from a request's bytes to its entry in the log's queue
    durable_s: float = 0.0  # from there to its durable index

    def to_dict(self) -> dict[str, object]:
        """Return the counts as JSON members; seconds become whole microseconds on average."""
        made = max(self.predictions, 1)
        return {
            "predictions": self.predictions,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "predict_us_mean": round(1e6 * self.predict_s / made),
            "durable_us_mean": round(1e6 * self.durable_s / made),
        }


def prometheus(counts: Counts, log_size: int, signed_size: int, anchored_size: int, connections: int) -> bytes:
    """Return the metrics in Prometheus' text format, version 0.0.4."""
    lines = ["# TYPE tallystick_infer_requests_total counter"]
    lines += [
        f'tallystick_infer_requests_total{{status="{status}"}} {count}'
        for status, count in sorted(counts.statuses.items())
    ]
    for name, kind, value in (
        ("predictions_total", "counter", counts.predictions),
        ("predict_seconds_total", "counter", f"{counts.predict_s:.6f}"),
        ("durable_wait_seconds_total", "counter", f"{counts.durable_s:.6f}"),
        ("log_entries", "gauge", log_size),
        ("log_signed_entries", "gauge", max(signed_size, 0)),
        ("log_anchored_entries", "gauge", max(anchored_size, 0)),
        ("connections", "gauge", connections),
    ):
        lines += [f"# TYPE tallystick_{name} {kind}", f"tallystick_{name} {value}"]
    return ("\n".join(lines) + "\n").encode()
