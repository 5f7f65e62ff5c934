"""The lineage picture: versions as boxes in a row, each with the roots that moved, as SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tallystick.demos.story import VersionTold

ROOTS = ("data", "parameters", "architecture", "code")

_WIDTH, _HEIGHT, _GAP, _TOP = 212, 158, 34, 12


def lineage_svg(versions: Sequence[VersionTold]) -> str:
    """Return the picture; a filled dot says that this root differs from the version before."""
    width = len(versions) * (_WIDTH + _GAP) - _GAP + 24
    boxes = "".join(_box(version, 12 + place * (_WIDTH + _GAP)) for place, version in enumerate(versions))
    arrows = "".join(_arrow(12 + place * (_WIDTH + _GAP)) for place in range(1, len(versions)))
    return (
        f'<svg viewBox="0 0 {width} {_HEIGHT + 2 * _TOP}" role="img" aria-label="lineage of the model" class="lineage">'
        f"{arrows}{boxes}</svg>"
    )


def _box(version: VersionTold, left: int) -> str:
    lines = [
        f'<rect x="{left}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" class="box"/>',
        _text(left + 12, _TOP + 24, f"v{version.seq}  {version.title}", "head"),
        _text(left + 12, _TOP + 44, f"{version.statement[:16]}…", "mono"),
    ]
    for row, root in enumerate(ROOTS):
        top = _TOP + 68 + 19 * row
        moved = root in version.kinds
        lines.append(f'<circle cx="{left + 18}" cy="{top - 4}" r="5" class="{"moved" if moved else "same"}"/>')
        label = root if root != "data" else f"data, {version.rows} rows"
        lines.append(_text(left + 30, top, label, "strong" if moved else "quiet"))
    accuracy = version.metrics.get("test_accuracy", "")
    lines.append(_text(left + 12, _TOP + 148, f"held-out accuracy {accuracy}", "quiet"))
    return "".join(lines)


def _arrow(right: int) -> str:
    middle = _TOP + _HEIGHT // 2
    start, end = right - _GAP + 4, right - 4
    return (
        f'<line x1="{start}" y1="{middle}" x2="{end}" y2="{middle}" class="arrow"/>'
        f'<path d="M{end} {middle} l-8 -5 v10 z" class="tip"/>'
    )


def _text(x: int, y: int, words: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" class="{style}">{escape(words)}</text>'
