"""Small charts as SVG, written by hand so that a report needs nothing but itself; colours are the page's."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.core.page import plain
from tallystick.lithic.quantise.measures import Bin

_CLASSES_MAX = 24  # of a confusion matrix that is drawn; more cells than that are no longer read
_COUNTED_MAX = 14  # classes up to which a cell has room for its count


def confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Return a confusion matrix: true classes down, decided ones across, each row shaded by its shares."""
    count = len(matrix)
    if count > _CLASSES_MAX:
        right = sum(matrix[k][k] for k in range(count))
        return (
            f'<p class="note">{count} classes are too many to draw; {right} of {sum(map(sum, matrix))} are right.</p>'
        )
    names = [plain(label, 14) for label in labels] or [str(k) for k in range(count)]
    side, left, longest = 380 / count, 108, max(map(len, names))
    is_slanted = longest * 7.5 > side
    top = 30 + (5 * longest if is_slanted else 14)
    parts = [f'<svg viewBox="0 0 500 {top + 394:.0f}" role="img" aria-label="confusion matrix">']
    parts.append(_text(left + 190, 14, "decided", "quiet middle") + _upright(14, top + 190, "true"))
    for k, name in enumerate(names):
        x = left + side * (k + 0.5)
        place = f'transform="translate({x:.1f} {top - 8:.1f})' + (' rotate(-40)"' if is_slanted else '" class="middle"')
        parts.append(f"<text {place}>{name}</text>")
        parts.append(_text(left - 8, top + side * (k + 0.5) + 4, name, "end"))
    for row, counts in enumerate(matrix):
        for column, value in enumerate(counts):
            x, y = left + side * column, top + side * row
            parts.append(_cell(x, y, side, value / (sum(counts) or 1), is_right=row == column))
            if count <= _COUNTED_MAX and (value or count <= 4):
                parts.append(_count(x, y, side, value, value / (sum(counts) or 1), is_right=row == column))
    return "".join(parts) + "</svg>"


def calibration(of_float: Sequence[Bin], of_integer: Sequence[Bin]) -> str:
    """Return how often what was claimed came true, for both models; a dot's size is its share of the rows."""
    left, top, side = 56, 14, 340
    parts = ['<svg viewBox="0 0 420 412" role="img" aria-label="calibration">', _axes(left, top, side, side)]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = left + side * tick, top + side * (1 - tick)
        parts.append(f'<line x1="{left}" x2="{left + side}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(
            _text(x, top + side + 18, f"{tick:g}", "quiet middle") + _text(left - 8, y + 4, f"{tick:g}", "quiet end")
        )
    parts.append(f'<line x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}" class="ideal"/>')
    rows = sum(one.rows for one in of_float) or 1
    for bins, name in ((of_float, "float"), (of_integer, "integer")):
        points = [(left + side * one.mean, top + side * (1 - one.observed)) for one in bins]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" class="line {name}"/>')
        for (x, y), one in zip(points, bins, strict=True):
            size = 3 + 7 * (one.rows / rows) ** 0.5
            words = f"{one.rows} rows, claimed {one.mean:.3f}, came true {one.observed:.3f}"
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" class="dot {name}"><title>{words}</title></circle>'
            )
    parts.append(_text(left + side / 2, top + side + 40, "claimed probability", "quiet middle"))
    parts.append(_upright(14, top + side / 2, "came true"))
    return "".join(parts) + "</svg>"


def differences(histogram: Sequence[tuple[str, str, int]]) -> str:
    """Return how differences of scores are spread: bars, the middle one about zero."""
    left, top, width, height = 56, 14, 340, 340
    most = max((count for _, _, count in histogram), default=0) or 1
    step = width / len(histogram)
    parts = [
        '<svg viewBox="0 0 420 412" role="img" aria-label="differences of scores">',
        _axes(left, top, width, height),
    ]
    for tick in (0.5, 1.0):
        y = top + height * (1 - tick)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(_text(left - 8, y + 4, f"{most * tick:,.0f}", "quiet end"))
    for k, (low, high, count) in enumerate(histogram):
        tall = max(height * count / most, 1.5 if count else 0)
        corner = f'x="{left + step * k + 1:.1f}" y="{top + height - tall:.1f}"'
        words = f"<title>{count} scores off by {plain(low)} to {plain(high)}</title>"
        parts.append(f'<rect {corner} width="{step - 2:.1f}" height="{tall:.1f}" class="bar">{words}</rect>')
    ends = (histogram[0][0], "0", histogram[-1][1]) if histogram else ()
    for place, end in zip((0, 0.5, 1), ends, strict=False):
        parts.append(_text(left + width * place, top + height + 18, short(end), "quiet middle"))
    parts.append(_text(left + width / 2, top + height + 40, "integer score less float score", "quiet middle"))
    return "".join(parts) + "</svg>"


def fill(share: float) -> str:
    """Return a small bar that is full to this share."""
    bars = f'<rect width="100" height="10" class="cell"/><rect width="{100 * share:.1f}" height="10" class="bar"/>'
    return f'<svg class="fill" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{bars}</svg>'


def short(number: str, digits: int = 4) -> str:
    """Return a decimal string in so many significant digits, for people."""
    value = float(number)
    if value and abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def _cell(x: float, y: float, side: float, share: float, *, is_right: bool) -> str:
    box = f'x="{x:.1f}" y="{y:.1f}" width="{side - 2:.1f}" height="{side - 2:.1f}" rx="{min(4, side / 6):.1f}"'
    shade = f'<rect {box} class="{"good" if is_right else "bad"}" fill-opacity="{_opacity(share, is_right):.2f}"/>'
    return f'<rect {box} class="cell"/>{shade}'


def _count(x: float, y: float, side: float, value: int, share: float, *, is_right: bool) -> str:
    size = min(26.0, side / 2.6)
    ink = "light" if _opacity(share, is_right) > 0.55 else ("strong" if value else "faint")
    place = f'x="{x + side / 2 - 1:.1f}" y="{y + side / 2 - 1 + size * 0.35:.1f}"'
    return f'<text {place} class="middle {ink}" style="font-size:{size:.1f}px">{value}</text>'


def _opacity(share: float, is_right: bool) -> float:
    """Return how dark a cell is; what is wrong is seen from the first row on."""
    return 0.9 * share if is_right else (min(0.95, 0.16 + 1.4 * share) if share else 0.0)


def _axes(left: float, top: float, width: float, height: float) -> str:
    return f'<path d="M{left} {top}V{top + height}H{left + width}" class="axis"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{text}</text>'


def _upright(x: float, y: float, text: str) -> str:
    return f'<text transform="translate({x:.1f} {y:.1f}) rotate(-90)" class="quiet middle">{text}</text>'
