"""What a job leaves for the launch that started it, and who may have written it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from forgather_hydra.jobs.outcome import return_of, write_outcome


@pytest.fixture
def job(tmp_path: Path) -> Any:
    hydra = {"runtime": {"output_dir": str(tmp_path)}, "job": {"name": "job"}}
    config = OmegaConf.create({"hydra": hydra, "x": 1})
    return SimpleNamespace(config=config, overrides=["x=1"], directory=tmp_path)


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
