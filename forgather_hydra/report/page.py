"""The results of a sweep as one page that needs nothing else: curves, parameters and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forgather_hydra.errors import counted
from forgather_hydra.report import interactive
from forgather_hydra.report.bands import over_seeds
from forgather_hydra.report.columns import DIRECTORY, TABLE, Row
from forgather_hydra.report.evaluations import columns_with_evaluations
from forgather_hydra.report.parameters import parameters
from forgather_hydra.report.plot import COLORS, Point, Series, plot
from forgather_hydra.report.results import JobResult, best_of, differing, ranked
from forgather_hydra.report.runs import columns_of_runs, link, shared_overrides
from forgather_hydra.report.seeds import COLUMNS, grouped, is_seed
from forgather_hydra.rundir.run import RunDirectory

CURVES = ("loss", "eval_loss")
MOST_POINTS = 600  # of a curve


def write_page(
    path: Path,
    sweep_dir: Path,
    results: Sequence[JobResult],
    metric: str,
    direction: str,
    is_interactive: bool = False,
) -> None:
    """Write the page.

    Args:
        path: of the page.
        sweep_dir: where the jobs' directories lie.
        results: of the jobs.
        metric: what they are ranked by.
        direction: ``minimize`` or ``maximize``.
        is_interactive: draw the plots with plotly, to be explored; the page has 5 MB then.

    Raises:
        ForgatherError: ``missing_extra``, where plotly is wanted and not installed.
    """
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    words = [" ".join(each) or "as it is" for each in differing([r.overrides for r in results])]
    logs = _logs(sweep_dir, results, words)
    means = {name: over_seeds(results, series) for name, series in logs.items()}
    by_parameters = (
        _coordinates(results, metric, direction) if is_interactive else _parameters(results, metric)
    )
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    text = environment.get_template("page.html.jinja").render(
        title=f"Results of {sweep_dir}",
        count=counted(len(results), "job"),
        metric=metric,
        direction=direction,
        script=Markup(interactive.script()) if is_interactive else "",
        shared=" ".join(shared_overrides(results)),
        legend=_legend(logs),
        curves=[Markup(drawn) for drawn in _curves(logs, is_interactive) if drawn],
        bands=[Markup(drawn) for drawn in _bands(means) if drawn],
        legend_of_bands=_legend(means),
        parameters=[Markup(drawn) for drawn in by_parameters if drawn],
        seeds=COLUMNS,
        groups=grouped(results, direction),
        columns=columns_with_evaluations(
            (*TABLE[:-1], *columns_of_runs(sweep_dir, results), DIRECTORY),
            sweep_dir,
            results,
            all_of_them=False,
        ),
        directory=DIRECTORY,
        link=link,
        rows=_rows(results, words, direction),
    )
    path.write_text(text, encoding="utf-8")


def _rows(results: Sequence[JobResult], words: Sequence[str], direction: str) -> list[Row]:
    best = best_of(results, direction)
    rows = {
        id(result): Row(result, message, COLORS[place % len(COLORS)], result is best)
        for place, (result, message) in enumerate(zip(results, words, strict=True))
    }
    return [rows[id(result)] for result in ranked(results, direction)]


def _logs(
    sweep_dir: Path, results: Sequence[JobResult], words: Sequence[str]
) -> dict[str, list[Series]]:
    """What jobs have logged by step, of each quantity."""
    logged = [
        _logged(sweep_dir / result.directory) if result.directory else {} for result in results
    ]
    return {
        name: [
            Series(f"job {results[i].number}: {words[i]}", curves.get(name, []), i)
            for i, curves in enumerate(logged)
        ]
        for name in CURVES
    }


def _curves(logs: dict[str, list[Series]], is_interactive: bool) -> Iterator[str]:
    for name, series in logs.items():
        yield interactive.curves(series, name) if is_interactive else plot(series, "step", name)


def _bands(means: dict[str, list[Series]]) -> Iterator[str]:
    for name, series in means.items():
        yield plot(series, "step", f"{name}, over seeds")


def _legend(curves: dict[str, list[Series]]) -> list[tuple[str, str]]:
    """Colour and name of what has a curve, where there are few enough to be read."""
    drawn = {each.name: each.color for series in curves.values() for each in series if each.points}
    if len(drawn) > len(COLORS):
        return []
    return [(COLORS[color % len(COLORS)], name) for name, color in drawn.items()]


def _logged(directory: Path) -> dict[str, list[Point]]:
    """The values of each quantity in a job's log, by step: the last one said, and not too many."""
    found: dict[str, dict[float, float]] = {name: {} for name in CURVES}
    for record in RunDirectory(directory).metrics():
        _note(record, found)
    return {name: _thinned(sorted(curve.items())) for name, curve in found.items()}


def _note(record: dict[str, Any], found: dict[str, dict[float, float]]) -> None:
    for name in CURVES:
        is_point = isinstance(record.get(name), (int, float)) and "step" in record
        if is_point and not record.get("final"):
            found[name][float(record["step"])] = float(record[name])


def _thinned(points: list[Point]) -> list[Point]:
    """Points evenly apart, and the last one: a plot cannot show more."""
    apart = math.ceil(len(points) / MOST_POINTS)
    return points if apart < 2 else [*points[:-1:apart], points[-1]]


def _parameters(results: Sequence[JobResult], metric: str) -> Iterator[str]:
    """A plot of the metric by each parameter, seeds aside."""
    for parameter in parameters(results):
        points = [
            Series(f"job {result.number}", [(place, result.value)], i)
            for i, (result, place) in enumerate(zip(results, parameter.values, strict=True))
            if result.value is not None
        ]
        if not is_seed(parameter.name):
            yield plot(points, parameter, metric)


def _coordinates(results: Sequence[JobResult], metric: str, direction: str) -> list[str]:
    values = [result.value for result in results]
    numbers = [result.number for result in results]
    return [interactive.coordinates(numbers, parameters(results), values, metric, direction)]
