"""Line and point plots as SVG, which a page can hold without any library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import pairwise

from forgather_hydra.report.parameters import Parameter, is_wide

Point = tuple[float, float]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 560, 300, 62, 42, 12, 14
LETTER, SMALLEST = 8.0, 30  # widths: of a letter on a narrow screen, and of a label
COLORS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        name: shown when the mouse is over it.
        points: as (x, y).
        color: its number.
        band: as (x, low, high), around the points.
    """

    name: str
    points: Sequence[Point]
    color: int
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class Axis:
    """A range of values on a line of `length`, from `start`; logarithmic if `is_log`.

    `labels` are those of values; without them round values have labels.
    """

    low: float
    high: float
    start: float
    length: float
    is_log: bool = False
    labels: Mapping[float, str] = field(default_factory=dict)

    def at(self, value: float) -> float:
        low, high, value = (
            math.log10(v) if self.is_log else v for v in (self.low, self.high, value)
        )
        return self.start + self.length * ((value - low) / (high - low) if high > low else 0.5)

    def ticks(self) -> dict[float, str]:
        """Labels of values, as long as there is room for."""
        places = sorted(map(self.at, self.labels))
        room = min((b - a for a, b in pairwise(places)), default=self.length)
        if not self.labels or room < SMALLEST:
            return {value: f"{value:.4g}" for value in self.round_values()}
        size = int(room / LETTER)
        return {
            value: text if len(text) <= size else text[: size - 1] + "\u2026"
            for value, text in self.labels.items()
        }

    def round_values(self) -> list[float]:
        """Round values within the range."""
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        else:
            raw = (self.high - self.low) / 5 or 1.0
            size = 10.0 ** math.floor(math.log10(raw))
            size *= next(factor for factor in (1, 2, 5, 10) if factor * size >= raw)
            first = math.ceil(self.low / size)
            found = [size * (first + i) for i in range(12)]
        slack = 1e-9 * abs(self.high)
        return [value for value in found if self.low - slack <= value <= self.high + slack]


def plot(series: Sequence[Series], x: str | Parameter, y_name: str) -> str:
    """A plot of lines, or, by a parameter, of points; nothing where there is no finite point."""
    shown = [
        replace(
            s,
            points=[p for p in s.points if all(map(math.isfinite, p))],
            band=[b for b in s.band if all(map(math.isfinite, b))],
        )
        for s in series
    ]
    points = [point for each in shown for point in each.points]
    if not points:
        return ""
    parameter = x if isinstance(x, Parameter) else None
    x_name = parameter.name if parameter else str(x)
    x_axis = _axis([p[0] for p in points], LEFT, WIDTH - LEFT - RIGHT, parameter)
    heights = [p[1] for p in points] + [h for s in shown for b in s.band for h in b[1:]]
    y_axis = _axis(heights, HEIGHT - BOTTOM, -(HEIGHT - BOTTOM - TOP), is_log=is_wide(heights))
    bands = [_band(s, x_axis, y_axis) for s in shown if len(s.band) > 1]
    drawn = [
        _points(s, x_axis, y_axis, x_name)
        if parameter or len(s.points) == 1
        else _line(s, x_axis, y_axis)
        for s in shown
        if s.points
    ]
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            *_grid(x_axis, y_axis),
            *bands,
            *drawn,
            f'<text class="name" x="{LEFT + (WIDTH - LEFT - RIGHT) / 2}" y="{HEIGHT - 6}" '
            f'text-anchor="middle">{escape(x_name)}</text>',
            f'<text class="name" transform="translate(16 {(HEIGHT - BOTTOM + TOP) / 2}) '
            f'rotate(-90)" text-anchor="middle">{escape(y_name)}'
            f"{' (log)' if y_axis.is_log else ''}</text>",
            "</svg>",
        ]
    )


def _axis(
    values: Sequence[float],
    start: float,
    length: float,
    parameter: Parameter | None = None,
    is_log: bool = False,
) -> Axis:
    low, high = min(values), max(values)
    labels = parameter.labels if parameter else {}
    labels = {value: text for value, text in labels.items() if low <= value <= high}
    if (is_log or (parameter and parameter.is_log)) and low > 0:
        margin = (high / low) ** 0.08 if high > low else 2.0
        return Axis(low / margin, high * margin, start, length, is_log=True, labels=labels)
    margin = (0.08 if labels else 0.04) * (high - low) or 0.5 * abs(high) or 1.0
    return Axis(low - margin, high + margin, start, length, labels=labels)


def _grid(x: Axis, y: Axis) -> list[str]:
    lines = []
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value, label in y.ticks().items():
        at = f"{y.at(value):.1f}"
        lines.append(f'<line x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{at}" dy="4" text-anchor="end">{label}</text>')
    for value, label in x.ticks().items():
        at = f"{x.at(value):.1f}"
        lines.append(f'<line x1="{at}" x2="{at}" y1="{TOP}" y2="{bottom}"/>')
        place = _within(x.at(value), label)
        lines.append(f'<text {place} y="{bottom + 16}">{escape(label)}</text>')
    return lines


def _within(at: float, label: str) -> str:
    """Where a label stands: around its place, or at the edge that it would pass."""
    half = len(label) * LETTER / 2
    if at + half > WIDTH:
        return f'x="{WIDTH - 4}" text-anchor="end"'
    return f'x="{at:.1f}" text-anchor="middle"' if at > half else 'x="4" text-anchor="start"'


def _line(series: Series, x: Axis, y: Axis) -> str:
    places = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in series.points)
    color = COLORS[series.color % len(COLORS)]
    title = f"<title>{escape(series.name)}</title>"
    return f'<polyline points="{places}" stroke="{color}">{title}</polyline>'


def _band(series: Series, x: Axis, y: Axis) -> str:
    there = [(at, low) for at, low, _ in series.band]
    back = [(at, high) for at, _, high in reversed(series.band)]
    places = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in [*there, *back])
    color = COLORS[series.color % len(COLORS)]
    return f'<polygon points="{places}" fill="{color}" fill-opacity="0.15"/>'


def _points(series: Series, x: Axis, y: Axis, x_name: str) -> str:
    color = COLORS[series.color % len(COLORS)]
    drawn = []
    for a, b in series.points:
        message = escape(f"{series.name}, {x_name}={x.labels.get(a) or format(a, '.6g')}: {b:.6g}")
        place = f'cx="{x.at(a):.1f}" cy="{y.at(b):.1f}"'
        drawn.append(f'<circle {place} r="5" fill="{color}"><title>{message}</title></circle>')
    return "".join(drawn)
