"""The results of a sweep as one page that needs nothing else: curves, parameters and tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forgather_hydra.errors import counted
from forgather_hydra.run.parameters import parameters
from forgather_hydra.run.plot import COLORS, Point, Series, plot
from forgather_hydra.run.results import JobResult, best_of, differing, ranked
from forgather_hydra.run.seeds import grouped, is_seed

METRICS = "metrics.jsonl"
CURVES = ("loss", "eval_loss")


def write_page(
    path: Path, sweep_dir: Path, results: Sequence[JobResult], metric: str, direction: str
) -> None:
    """Write the page.

    Args:
        path: of the page.
        sweep_dir: where the jobs' directories lie.
        results: of the jobs.
        metric: what they are ranked by.
        direction: ``minimize`` or ``maximize``.
    """
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    words = [" ".join(each) or "as it is" for each in differing(results)]
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    text = environment.get_template("page.html.jinja").render(
        title=f"Results of {sweep_dir}",
        count=counted(len(results), "job"),
        metric=metric,
        direction=direction,
        curves=[Markup(svg) for svg in _curves(sweep_dir, results, words)],
        parameters=[Markup(svg) for svg in _parameters(results, metric) if svg],
        groups=grouped(results, direction),
        rows=_rows(results, words, direction),
    )
    path.write_text(text, encoding="utf-8")


def _rows(
    results: Sequence[JobResult], words: Sequence[str], direction: str
) -> list[dict[str, Any]]:
    best = best_of(results, direction)
    places = {id(result): place for place, result in enumerate(results)}
    return [
        {
            "number": result.number,
            "words": words[places[id(result)]],
            "value": "" if result.value is None else f"{result.value:.6g}",
            "status": result.status,
            "error": result.error or "",
            "directory": result.directory or "",
            "color": COLORS[places[id(result)] % len(COLORS)],
            "is_best": result is best,
        }
        for result in ranked(results, direction)
    ]


def _curves(sweep_dir: Path, results: Sequence[JobResult], words: Sequence[str]) -> Iterator[str]:
    """A plot by step of each quantity that jobs have logged."""
    logged = [
        _logged(sweep_dir / result.directory) if result.directory else {} for result in results
    ]
    for name in CURVES:
        series = [
            Series(f"job {results[i].number}: {words[i]}", curves.get(name, []), i)
            for i, curves in enumerate(logged)
        ]
        if svg := plot(series, "step", name):
            yield svg


def _logged(directory: Path) -> dict[str, list[Point]]:
    """The values of each quantity in a job's log, by step."""
    found: dict[str, list[Point]] = {name: [] for name in CURVES}
    path = directory / METRICS
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        record = json.loads(line)
        for name in CURVES:
            if isinstance(record.get(name), (int, float)) and not record.get("final"):
                found[name].append((float(record["step"]), float(record[name])))
    return found


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
