"""`SweepDirectory`: the jobs of a sweep by whatever noted them, and files of any shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg
from forgather_hydra.rundir.files import write_json
from forgather_hydra.rundir.names import MANIFEST

JOB = {"number": 0, "overrides": ["lr=1"], "directory": "0"}


@pytest.mark.parametrize("key", JOB)
@pytest.mark.parametrize("value", [None, "", 5.5, {}])
def test_entries_of_another_shape_are_left_out(tmp_path: Path, key: str, value: Any) -> None:
    second = {**JOB, "number": 1, "directory": "1"}
    write_json(tmp_path / MANIFEST, {"jobs": [{**JOB, key: value}, "no job", second]})
    jobs = fg.SweepDirectory(tmp_path).jobs()
    assert [(job.number, job.overrides, job.run.path.name) for job in jobs] == [(1, ["lr=1"], "1")]


def test_what_a_launcher_noted_goes_before_what_was_reported(tmp_path: Path) -> None:
    launched = {"b": {**JOB, "number": 2, "directory": "2"}, "a": {**JOB, "number": 10}}
    write_json(tmp_path / MANIFEST, {"jobs": [JOB], "launch": {"jobs": launched}})
    sweep = fg.SweepDirectory(tmp_path)
    assert [job.number for job in sweep.jobs()] == [2, 10]
    write_json(tmp_path / MANIFEST, {"jobs": [JOB], "launch": {"jobs": []}})
    assert [job.number for job in sweep.jobs()] == [0]


def test_without_a_manifest_runs_are_looked_for(written: Callable[..., Path]) -> None:
    record = written(record={"status": "finished", "result": 3.5}) / "run.json"
    path = record.parent / "sweep/0"
    path.mkdir(parents=True)
    record.rename(path / "run.json")
    (job,) = fg.SweepDirectory(path.parent).results()
    assert (job["number"], job["state"], job["directory"]) == (0, "finished", str(path))
