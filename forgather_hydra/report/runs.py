"""When, where and how long the jobs of a sweep ran, what they share, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from forgather_hydra.report.columns import Column, Row
from forgather_hydra.report.results import JobResult
from forgather_hydra.rundir import record


def columns_of_runs(sweep_dir: Path, results: Sequence[JobResult]) -> tuple[Column[Row], ...]:
    """Start, duration, host and number of parameters, as far as any job has them.

    Args:
        sweep_dir: in which the directories of jobs are named.
        results: of the jobs.
    """
    records = {r.number: record.read(sweep_dir / r.directory) for r in results if r.directory}
    found = [(number, kept) for number, kept in records.items() if kept and kept["attempts"]]
    facts: dict[str, dict[int, Any]] = {
        "started": {n: kept["attempts"][0].get("started") for n, kept in found},
        "duration": {n: _duration(kept["attempts"]) for n, kept in found},
        "host": {n: kept["attempts"][-1].get("host") for n, kept in found},
        "parameters": {r.number: r.metrics.get("parameters") for r in results},
    }
    return tuple(
        Column(heading, _value(values), _LOOKS.get(heading, ""), _SHOWN.get(heading, str))
        for heading, values in facts.items()
        if any(value is not None for value in values.values())
    )


def shared_overrides(results: Sequence[JobResult]) -> list[str]:
    """The overrides that all jobs have."""
    first, *others = [result.overrides for result in results] or [[]]
    return [text for text in first if all(text in each for each in others)]


def link(directory: str | None) -> str | None:
    """The address of a job's directory from the page of its sweep, which may be moved with it."""
    if directory is None or Path(directory).is_absolute():
        return None
    return f"{quote(directory)}/"


def _value(values: dict[int, Any]) -> Callable[[Row], Any]:
    return lambda row: values.get(row.result.number)


def _duration(attempts: Sequence[dict[str, Any]]) -> float | None:
    """Seconds of all starts that have ended."""
    spans = [
        (_time(attempt["ended"]) - _time(attempt["started"])).total_seconds()
        for attempt in attempts
        if attempt.get("ended") and attempt.get("started")
    ]
    return sum(spans) if spans else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


_LOOKS = {"duration": "number", "parameters": "number"}
_SHOWN: dict[str, Callable[[Any], str]] = {
    "started": lambda text: f"{_time(text):%Y-%m-%d %H:%M}",
    "duration": lambda seconds: str(timedelta(seconds=round(seconds))),
    "parameters": "{:,}".format,
}
