"""Curves over seeds: the mean of jobs that differ in their seeds only, and how far they spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from forgather_hydra.report.plot import Series
from forgather_hydra.report.results import JobResult, differing
from forgather_hydra.report.seeds import is_seed


def over_seeds(results: Sequence[JobResult], curves: Sequence[Series]) -> list[Series]:
    """The mean at each step that all seeds have logged, within a sample standard deviation.

    Args:
        results: of the jobs.
        curves: one for each of them.

    Returns:
        A curve for each experiment; none where no experiment has several seeds.
    """
    members: dict[str, list[Series]] = {}
    overrides = differing([result.overrides for result in results])
    for texts, curve in zip(overrides, curves, strict=True):
        if curve.points:
            key = " ".join(text for text in texts if not is_seed(text))
            members.setdefault(key, []).append(curve)
    if all(len(curves) == 1 for curves in members.values()):
        return []
    return [_mean(key or "as it is", curves) for key, curves in members.items()]


def _mean(name: str, curves: Sequence[Series]) -> Series:
    values = [dict(curve.points) for curve in curves]
    steps = sorted(set.intersection(*({*each} for each in values)))
    columns = [[each[step] for each in values] for step in steps]
    means = [statistics.fmean(column) for column in columns]
    spreads = [statistics.stdev(column) if len(column) > 1 else 0.0 for column in columns]
    return Series(
        f"{name}: mean of {len(curves)}",
        list(zip(steps, means, strict=True)),
        curves[0].color,
        [(s, m - d, m + d) for s, m, d in zip(steps, means, spreads, strict=True)],
    )
