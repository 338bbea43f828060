"""The plots of the page of results as figures to explore, by plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.report.parameters import Parameter, is_wide
from forgather_hydra.report.plot import COLORS, Series

BEST, MIDDLE, WORST = "#1d4ed8", "#94a3b8", "#f59e0b"
_FONT = {"family": "system-ui, sans-serif", "size": 12, "color": "#374151"}
_LONGEST = 18  # letters of a label
MOST_JOBS = 20  # whose numbers all stand on their axis


def script() -> str:
    """The library that draws the figures, for a page that needs no network.

    Raises:
        ForgatherError: ``missing_extra``, where plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ForgatherError(
            "missing_extra",
            "plots to explore are drawn by plotly, which is not installed",
            hint="pip install 'forgather-hydra[plotly]', or leave out --plotly",
        ) from error
    return str(get_plotlyjs())


def curves(series: Sequence[Series], y_name: str) -> str:
    """Lines by step, to zoom into and to take away; nothing where there is no point."""
    lines = [
        {
            "type": "scatter",
            "mode": "lines" if len(each.points) > 1 else "markers",
            "name": escape(each.name),
            "x": [x for x, _ in each.points],
            "y": [y if math.isfinite(y) else None for _, y in each.points],
            "line": {"color": COLORS[each.color % len(COLORS)], "width": 1.6},
            "hovertemplate": "step %{x}: %{y:.5g}<br>%{fullData.name}<extra></extra>",
        }
        for each in series
        if each.points
    ]
    axes = {"xaxis": {"title": {"text": "step"}}, "yaxis": {"title": {"text": escape(y_name)}}}
    margin = {"l": 60, "r": 16, "t": 16, "b": 54}
    return _figure(lines, axes | {"showlegend": False, "margin": margin}, 340) if lines else ""


def coordinates(
    numbers: Sequence[int],
    parameters: Sequence[Parameter],
    values: Sequence[float | None],
    metric: str,
    direction: str,
) -> str:
    """Parallel coordinates: a line for each job that has the metric, through all that it has set.

    Args:
        numbers: of the jobs.
        parameters: what they have set.
        values: of the metric.
        metric: its name.
        direction: ``minimize`` or ``maximize``.
    """
    shown = [i for i, value in enumerate(values) if value is not None and math.isfinite(value)]
    if len(shown) < 2 or not parameters:
        return ""
    found = [float(values[i] or 0.0) for i in shown]
    outcome = Parameter(metric, found, {}, is_wide(found))
    axes = [
        _axis(_jobs([numbers[i] for i in shown])),
        *(
            _axis(Parameter(p.name, [p.values[i] for i in shown], p.labels, p.is_log))
            for p in parameters
        ),
        _axis(outcome),
    ]
    colors = [[0, BEST], [0.5, MIDDLE], [1, WORST]]
    line = {
        "color": axes[-1]["values"],
        "colorscale": colors,
        "reversescale": direction == "maximize",
    }
    lines = {"type": "parcoords", "dimensions": axes, "line": line, "labelangle": -12}
    margin = {"l": 60, "r": 60, "t": 80, "b": 30}
    return _figure([lines], {"margin": margin}, 420, 130 * len(axes))


def _jobs(numbers: Sequence[int]) -> Parameter:
    labels = {float(number): str(number) for number in numbers} if len(numbers) <= MOST_JOBS else {}
    return Parameter("job", [float(number) for number in numbers], labels, is_log=False)


def _axis(parameter: Parameter) -> dict[str, Any]:
    """A parameter as an axis: logarithms where it is wide, and labels at what is not a number."""
    labels = dict(parameter.labels)
    if parameter.is_log and not labels:
        powers = range(
            math.floor(math.log10(min(parameter.values))),
            math.ceil(math.log10(max(parameter.values))) + 1,
        )
        labels = {10.0**power: f"{10.0**power:g}" for power in powers}
    axis: dict[str, Any] = {
        "label": _label(parameter.name),
        "values": [_place(value, parameter) for value in parameter.values],
    }
    if labels:
        axis["tickvals"] = [_place(value, parameter) for value in labels]
        axis["ticktext"] = [_label(text) for text in labels.values()]
        axis["range"] = _range([*axis["values"], *axis["tickvals"]])
    return axis


def _place(value: float, parameter: Parameter) -> float:
    return math.log10(value) if parameter.is_log else value


def _range(places: Sequence[float]) -> list[float]:
    low, high = min(places), max(places)
    return [low, high] if high > low else [low - 1, high + 1]


def _label(text: str) -> str:
    """A text; of a long one its end, which tells most."""
    return text if len(text) <= _LONGEST else "\u2026" + text[1 - _LONGEST :]


def _figure(
    data: Sequence[dict[str, Any]], layout: dict[str, Any], height: int, width: int = 0
) -> str:
    from plotly.io import to_html

    common = {"font": _FONT, "paper_bgcolor": "#fff", "plot_bgcolor": "#fff", "height": height}
    drawn = to_html(
        {"data": list(data), "layout": common | layout},
        config={"responsive": True, "displaylogo": False, "showSendToCloud": False},
        full_html=False,
        include_plotlyjs=False,
        default_height=f"{height}px",
        validate=False,
    )
    return f'<div class="scroll figure"><div style="min-width: {width}px">{drawn}</div></div>'
