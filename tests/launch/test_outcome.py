"""What a job leaves for the launch that started it, and who may have written it."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from forgather_hydra.jobs.job import late_return
from forgather_hydra.jobs.manifest import Manifest
from forgather_hydra.jobs.outcome import return_of, write_outcome
from forgather_hydra.report.returns import Packed, directory_of_return
from forgather_hydra.rundir.files import write_json
from forgather_hydra.rundir.launch import result_of
from forgather_hydra.rundir.sweep import SweepDirectory


@pytest.fixture
def job(tmp_path: Path) -> Any:
    hydra = {"runtime": {"output_dir": str(tmp_path)}, "job": {"name": "job"}}
    config = OmegaConf.create({"hydra": hydra, "x": 1})
    about = {"overrides": ["x=1"], "directory": tmp_path}
    return SimpleNamespace(config=config, packed=Packed(config), **about)


def outcome(job: Any, value: Any) -> Path:
    (job.directory / ".launch").mkdir()
    status = JobStatus.FAILED if isinstance(value, Exception) else JobStatus.COMPLETED
    hydra = OmegaConf.masked_copy(job.config, "hydra")
    done = JobReturn(overrides=["x=1"], hydra_cfg=hydra, status=status, _return_value=value)
    write_outcome(job.directory, done)
    return Path(job.directory / ".launch/return.pkl")


def test_what_a_job_returned_comes_back_as_it_was(job: Any) -> None:
    path = outcome(job, {"when": Path("a")})
    assert return_of(job).return_value == {"when": Path("a")}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o662, 0o602])
def test_what_others_may_write_is_not_unpickled(job: Any, mode: int) -> None:
    path = outcome(job, {"when": Path("a"), "loss": float("nan")})
    path.write_bytes(b"a trap")
    path.chmod(mode)
    assert return_of(job).return_value == {"when": "a", "loss": None}


def test_what_another_user_owns_is_not_unpickled(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome(job, ValueError("one is not wanted")).write_bytes(b"a trap")
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    returned = return_of(job)
    assert returned.status == JobStatus.FAILED
    assert "ValueError: one is not wanted" in str(returned._return_value)


def test_a_sweep_keeps_of_each_job_what_a_list_of_thousands_may_take(job: Any) -> None:
    job.config.tree = {f"key{i}": {"value": i, "of": "${x}"} for i in range(300)}
    job.packed = Packed(job.config)
    outcome(job, 3)
    for known in (return_of(job), late_return(job, JobStatus.COMPLETED, 3)):
        assert known.return_value == 3
        assert len(pickle.dumps(known)) < len(pickle.dumps(job.config)) / 5
        assert known.hydra_cfg
        assert known.hydra_cfg.hydra.runtime.output_dir == str(job.directory)
    assert known.cfg == OmegaConf.masked_copy(job.config, ["x", "tree"])
    assert known.task_name == "job"


def test_a_sweep_that_was_moved_knows_where_its_jobs_are(job: Any, tmp_path: Path) -> None:
    outcome(job, 3)
    job.directory = job.directory.rename(tmp_path.with_name("moved"))
    known = return_of(job)
    assert directory_of_return(known) == job.directory
    assert known.hydra_cfg
    assert known.hydra_cfg.hydra.runtime.output_dir == str(job.directory)


class OneWay:
    """What can be written down, and not read again."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_what_cannot_be_read_again_is_told_when_it_is_written(job: Any) -> None:
    path = outcome(job, OneWay())
    assert json.loads(path.with_name("result.json").read_text())["status"] == "failed"
    returned = return_of(job)
    assert returned.status == JobStatus.FAILED
    assert "cannot be sent back: invalid literal" in str(returned._return_value)


class Noted:
    """A job as far as a manifest needs it."""

    is_ours = True

    def __init__(self, folder: Path, number: int, key: str, subdir: str | None = "n") -> None:
        self.folder, self.number, self.key, self.keys = folder, number, key, ("dir", subdir)
        self.overrides = [f"x={key}"]
        self.directory = folder / str(number) if subdir else folder

    def move_to(self, number: int) -> None:
        self.number, self.directory = number, self.folder / str(number)

    def describe(self) -> dict[str, Any]:
        return {"number": self.number, "overrides": self.overrides}


def test_equal_jobs_of_a_sweep_are_two_and_known_ones_keep_their_places(tmp_path: Path) -> None:
    Manifest(tmp_path).add([Noted(tmp_path, 0, "a"), Noted(tmp_path, 1, "a")])
    first, second, third = (Noted(tmp_path, n, key) for n, key in enumerate("baa"))
    Manifest(tmp_path).add([first, second, third])
    assert [job.number for job in (first, second, third)] == [3, 0, 1]
    assert second.directory == tmp_path / "0"
    jobs = SweepDirectory(tmp_path).launched()
    assert [(job.number, job.key) for job in jobs] == [(0, "a"), (1, "a-2"), (3, "b")]


def test_a_run_that_has_ended_goes_on_or_makes_way_for_another(tmp_path: Path) -> None:
    for key, is_kept in (("a", False), ("a", True), ("b", False)):
        Manifest(tmp_path).add([Noted(tmp_path, 0, key, None)])
        assert (result_of(tmp_path) is not None) is is_kept
        assert [job.key for job in SweepDirectory(tmp_path).launched()] == [key]
        write_json(tmp_path / ".launch/result.json", {"status": "finished"})
