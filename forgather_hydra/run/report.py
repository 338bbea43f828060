"""Print the results of a sweep, best first, and save them beside its jobs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from forgather_hydra.run.page import write_page
from forgather_hydra.run.results import FAILED, JobResult, best_of, ranked, save, table
from forgather_hydra.run.seeds import grouped, save_seeds, seeds_table


def report_results(
    sweep_dir: Path,
    results: Sequence[JobResult],
    metric: str,
    direction: str,
    are_failures_told: bool = False,
    is_interactive: bool = False,
) -> None:
    """Print and save results.

    Args:
        sweep_dir: gets ``sweep.json``, ``results.csv`` and ``results.html``, and ``seeds.csv``
            where there are several seeds of an experiment.
        results: of the jobs, by number.
        metric: what they are ranked by.
        direction: ``minimize`` or ``maximize``.
        are_failures_told: whether the user has read why jobs failed when they did.
        is_interactive: whether the plots of the page are for plotly.

    Raises:
        ForgatherError: ``missing_extra``, where plotly is wanted and not installed.
    """
    save(sweep_dir, results, metric, direction)
    write_page(sweep_dir / "results.html", sweep_dir, results, metric, direction, is_interactive)
    console = Console(highlight=False)
    console.print(f"\nresults of {sweep_dir}, best first", markup=False)
    console.print(table(ranked(results, direction), metric))
    for result in results:
        if result.status == FAILED and not are_failures_told:
            line = f"job {result.number} failed: {result.error}"
            console.print(line, markup=False, soft_wrap=True)
    if best := best_of(results, direction):
        words = shlex.join(best.overrides)
        line = f"best: job {best.number}, {metric} {best.value:.6g}: {words}"
        console.print(line, markup=False, soft_wrap=True)
    if groups := grouped(results, direction):
        save_seeds(sweep_dir / "seeds.csv", groups, metric)
        console.print("\nover seeds")
        console.print(seeds_table(groups, metric))
