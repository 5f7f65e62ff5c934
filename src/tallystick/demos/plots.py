"""The plots of the report, as inline SVG drawn by matplotlib: latency, scores, the growth of the log, gas."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from tallystick.demos.story import Story

_INK, _ACCENT = "#1f2933", "#1f6f54"


def plots(story: Story) -> dict[str, str]:
    """Return each plot's title and SVG; a plot with no data is left out."""
    made = {}
    if story.latencies_ms:
        made["Latency of a prediction with its durable receipt"] = _latency(story.latencies_ms)
    if story.scores:
        made["What the served model answered"] = _scores(story.scores)
    if story.anchors:
        made["The log, and where the chain checked that it grew"] = _growth(story)
    if story.versions:
        made["Gas of each record on chain"] = _gas(story)
    return made


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 2.7), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=8)
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "tallystick", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _latency(latencies: Sequence[float]) -> str:
    figure, axes = _figure()
    ordered = sorted(latencies)
    axes.plot(ordered, [place / len(ordered) for place in range(1, len(ordered) + 1)], color=_ACCENT)
    for share in (0.5, 0.99):
        value = ordered[int(share * (len(ordered) - 1))]
        axes.axvline(value, color=_INK, linewidth=0.6, linestyle=":")
        axes.annotate(f"p{share * 100:.0f} {value:.1f} ms", (value, share), fontsize=8, xytext=(4, -10), textcoords="offset points")  # fmt: skip  # noqa: E501
    axes.set_xlim(0, ordered[int(0.995 * (len(ordered) - 1))] * 1.15)
    axes.set_xlabel("milliseconds, seen by the client", fontsize=8)
    axes.set_ylabel("share of requests", fontsize=8)
    return _svg(figure)


def _scores(scores: Sequence[float]) -> str:
    figure, axes = _figure()
    axes.hist(scores, bins=40, range=(0, 1), color=_ACCENT)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8)  # a bar of one prediction is seen
    axes.set_xlabel("probability of the benign class", fontsize=8)
    axes.set_ylabel("predictions a bar, log scale", fontsize=8)
    return _svg(figure)


def _growth(story: Story) -> str:
    figure, axes = _figure()
    sizes = [0, *(anchor.size for anchor in story.anchors)]
    axes.step(range(len(sizes)), sizes, where="post", color=_ACCENT)
    axes.plot(range(1, len(sizes)), sizes[1:], "o", color=_ACCENT)
    axes.set_xticks(range(len(sizes)))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("checkpoint, in order of anchoring", fontsize=8)
    axes.set_ylabel("entries in the log", fontsize=8)
    return _svg(figure)


def _gas(story: Story) -> str:
    figure, axes = _figure()
    bars = [(f"v{version.seq}", version.gas) for version in story.versions]
    bars += [(f"anchor {place}", anchor.gas) for place, anchor in enumerate(story.anchors, 1)]
    drawn = axes.barh([name for name, _ in bars][::-1], [gas / 1_000 for _, gas in bars][::-1], color=_ACCENT)
    axes.bar_label(drawn, fmt="%.0f", padding=3, fontsize=8, color=_INK)
    axes.set_xlabel("thousand gas, whole transaction", fontsize=8)
    return _svg(figure)
