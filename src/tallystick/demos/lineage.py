"""The lineage picture: versions as boxes in a row, each with its roots and which of them moved, as SVG that needs
nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tallystick.demos.story import VersionTold

ROOTS = ("data", "parameters", "architecture", "code")

_WIDTH, _HEIGHT, _GAP, _TOP, _EDGE = 224, 174, 30, 12, 2
_MINUS = "\u2212"


def lineage_svg(versions: Sequence[VersionTold], channels: Mapping[str, int]) -> str:
    """Return the picture; a filled dot says that this root differs from the version before.

    channels  what is released: channel to sequence number
    """
    width = len(versions) * (_WIDTH + _GAP) - _GAP + 2 * _EDGE
    parts = []
    for place, version in enumerate(versions):
        left = _EDGE + place * (_WIDTH + _GAP)
        parts.append(_box(version, versions[place - 1] if place else None, left))
        parts += [_arrow(left)] if place else []
        parts += [_released(left, channel) for channel, seq in channels.items() if seq == version.seq]
    return (
        f'<svg viewBox="0 0 {width} {_HEIGHT + 2 * _TOP + 4}" role="img" aria-label="lineage of the model" '
        f'class="lineage">{"".join(parts)}</svg>'
    )


def _box(version: VersionTold, before: VersionTold | None, left: int) -> str:
    lines = [
        f'<rect x="{left}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" class="box"/>',
        _text(left + 14, _TOP + 26, f"v{version.seq}  {version.title}", "head"),
        _text(left + 14, _TOP + 45, f"statement {version.statement[:12]}…", "mono quiet"),
    ]
    for row, root in enumerate(ROOTS):
        lines.append(_root(version, root, left, _TOP + 73 + 20 * row))
    lines.append(f'<path d="M{left + 14} {_TOP + 145} h{_WIDTH - 28}" class="rule"/>')
    lines.append(_text(left + 14, _TOP + 163, f"accuracy {_accuracy(version, before)}", "quiet"))
    return "".join(lines)


def _root(version: VersionTold, root: str, left: int, top: int) -> str:
    moved = root in version.kinds
    style = "moved" if moved else "same"
    label = f"data, {version.rows} rows" if root == "data" else root
    digest = version.roots.get(root, "").rpartition(":")[2]  # the root over the data goes with its size
    shown = f'<text x="{left + _WIDTH - 14}" y="{top}" class="mono digest {style}">{escape(digest[:8])}</text>'
    dot = f'<circle cx="{left + 19}" cy="{top - 4}" r="5" class="dot {style}"/>'
    return dot + _text(left + 32, top, label, "strong" if moved else "quiet") + shown


def _accuracy(version: VersionTold, before: VersionTold | None) -> str:
    accuracy = version.metrics.get("test_accuracy", "")
    if before is None or not accuracy:
        return accuracy
    change = float(accuracy) - float(before.metrics["test_accuracy"])
    return f"{accuracy} ({'+' if change >= 0 else _MINUS}{abs(change):.4f})"


def _released(left: int, channel: str) -> str:
    width = 16 + 7 * len(channel)
    right = left + _WIDTH - 12
    return (
        f'<rect x="{right - width}" y="{_TOP - 10}" width="{width}" height="20" rx="10" class="pill"/>'
        f'<text x="{right - width / 2}" y="{_TOP + 4}" class="pilled">{escape(channel)}</text>'
    )


def _arrow(right: int) -> str:
    middle = _TOP + _HEIGHT // 2
    start, end = right - _GAP + 4, right - 4
    return (
        f'<line x1="{start}" y1="{middle}" x2="{end}" y2="{middle}" class="arrow"/>'
        f'<path d="M{end} {middle} l-8 -5 v10 z" class="tip"/>'
    )


def _text(x: int, y: int, words: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" class="{style}">{escape(words)}</text>'
