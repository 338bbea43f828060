"""Tables of jobs: which columns they have, and what is in a cell."""

from __future__ import annotations

import csv
from pathlib import Path

from rich.console import Console

from forgather_hydra.jobs.watch.view import View
from forgather_hydra.jobs.watch.view import table as table_of_views
from forgather_hydra.report.results import (
    JobResult,
    best_of,
    job_key,
    ranked,
    relative,
    save,
    table,
)
from forgather_hydra.rundir.states import State


def result(number: int, value: float | None, state: State = State.FINISHED) -> JobResult:
    return JobResult(number, [f"lr={number}", f"width={8 * number}"], state, value, f"{number}")


def test_a_zero_is_shown_and_what_is_missing_is_not() -> None:
    made = table([result(0, 0.0), result(1, None, State.FAILED)], "loss")
    cells = {str(c.header): [str(cell) for cell in c.cells] for c in made.columns}
    assert cells == {
        "job": ["0", "1"],
        "overrides": ["lr=0 width=0", "lr=1 width=8"],
        "loss": ["0", ""],
        "status": ["finished", "failed"],
        "directory": ["0", "1"],
    }
    assert [c.justify for c in made.columns] == ["left", "left", "right", "left", "left"]


def test_jobs_of_equal_value_are_ranked_by_number() -> None:
    results = [result(2, 1.0), result(1, 1.0), result(3, None, State.FAILED), result(0, 2.0)]
    assert [each.number for each in ranked(results)] == [1, 2, 0, 3]
    assert [each.number for each in ranked(results, "maximize")] == [0, 1, 2, 3]


def test_only_a_finished_job_is_the_best() -> None:
    assert best_of([result(1, 1.0, State.STOPPED), result(2, None)]) is None
    found = best_of([result(1, 1.0, State.STOPPED), result(2, 3.0), result(3, float("nan"))])
    assert found
    assert found.number == 2


def test_a_job_that_resumes_is_the_same_job() -> None:
    assert job_key(["lr=1", "resume=true", "+hydra.x=1"]) == job_key(["lr=1"])
    assert job_key(["lr=1", "resumes=true"]) != job_key(["lr=1"])


def test_a_directory_elsewhere_is_told_whole() -> None:
    assert relative(Path("/sweeps/a/1"), Path("/sweeps/a")) == "1"
    assert relative(Path("/sweeps/b/1"), Path("/sweeps/a")) == "/sweeps/b/1"


def test_the_csv_has_a_column_for_each_key(tmp_path: Path) -> None:
    results = [result(1, 0.5), JobResult(2, ["lr=2"], State.FAILED, None, "2", "no, not so")]
    save(tmp_path, results, "loss", "minimize")
    with open(tmp_path / "results.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["job", "status", "loss", "lr", "width", "directory", "error"]
    assert list(rows[0].values()) == ["1", "finished", "0.5", "1", "8", "1", ""]
    assert list(rows[1].values()) == ["2", "failed", "", "2", "", "2", "no, not so"]


def test_long_words_of_a_live_table_are_cut_and_of_a_printed_one_folded() -> None:
    view = View(3, State.RUNNING, " ".join(f"key{i}=value{i}" for i in range(12)))
    printed = []
    for folds in (False, True):
        console = Console(width=80, record=True)
        console.print(table_of_views([view], folds))
        printed.append(console.export_text())
    assert [("value11" in text, len(text.splitlines()) > 2) for text in printed] == [
        (False, False),
        (True, True),
    ]
