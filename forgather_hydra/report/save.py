"""Print the results of a sweep, best first, and save them beside its jobs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from forgather_hydra.report.columns import CSV, TABLE
from forgather_hydra.report.evaluations import columns_with_evaluations
from forgather_hydra.report.page import write_page
from forgather_hydra.report.results import JobResult, best_of, ranked, save, table
from forgather_hydra.report.seeds import Group, grouped, save_seeds, seeds_table
from forgather_hydra.rundir.names import RESULTS_PAGE, SEEDS_CSV
from forgather_hydra.rundir.states import State

UNLIMITED = 10_000  # letters in a line


def report_results(
    sweep_dir: Path,
    results: Sequence[JobResult],
    metric: str,
    direction: str,
    are_failures_reported: bool = False,
    is_interactive: bool = False,
) -> None:
    """Print and save results.

    Args:
        sweep_dir: gets ``sweep.json``, ``results.csv`` and ``results.html``, and ``seeds.csv``
            where there are several seeds of an experiment.
        results: of the jobs, by number.
        metric: what they are ranked by.
        direction: ``minimize`` or ``maximize``.
        are_failures_reported: whether the user has read why jobs failed when they did.
        is_interactive: whether the plots of the page are for plotly.

    Raises:
        ForgatherError: ``missing_extra``, where plotly is wanted and not installed.
    """
    groups = grouped(results, direction)
    page, problem = sweep_dir / RESULTS_PAGE, None
    try:  # before anything is printed, since nobody may be there to read it
        columns = columns_with_evaluations(CSV, sweep_dir, results, all_of_them=True)
        save(sweep_dir, results, metric, direction, columns)
        write_page(page, sweep_dir, results, metric, direction, is_interactive)
        if groups:
            save_seeds(sweep_dir / SEEDS_CSV, groups, metric)
    except OSError as error:  # somebody else's sweep, or a full disk
        problem = error
    _print(sweep_dir, results, groups, metric, direction, are_failures_reported)
    if problem:
        print(f"the results are not saved: {problem}", file=sys.stderr)
    else:
        print(f"\npage: {page}")


def console_for_tables() -> Console:
    """A console that does not break the lines of tables for other programs."""
    made = Console(highlight=False)
    if not (made.is_terminal or made.is_jupyter or "COLUMNS" in os.environ):
        made.width = UNLIMITED
    return made


def _print(
    sweep_dir: Path,
    results: Sequence[JobResult],
    groups: Sequence[Group],
    metric: str,
    direction: str,
    are_failures_reported: bool,
) -> None:
    console = console_for_tables()
    console.print(f"\nresults of {sweep_dir}, best first", markup=False, soft_wrap=True)
    columns = columns_with_evaluations(TABLE, sweep_dir, results, all_of_them=False)
    console.print(table(ranked(results, direction), metric, columns))
    for result in results:
        if result.status == State.FAILED and not are_failures_reported:
            line = f"job {result.number} failed: {result.error}"
            console.print(line, markup=False, soft_wrap=True)
    if best := best_of(results, direction):
        words = shlex.join(best.overrides)
        line = f"best: job {best.number}, {metric} {best.value:.6g}: {words}"
        console.print(line, markup=False, soft_wrap=True)
    if groups:
        console.print("\nover seeds")
        console.print(seeds_table(groups, metric))
