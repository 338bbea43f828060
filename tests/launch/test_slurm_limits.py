"""What a cluster cannot do, or not any more: each is told in words that help."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slurm_cluster import call, place, why_not

Run = Callable[..., Any]
SLURM = ("hydra/launcher=forgather_slurm", "hydra.launcher.poll_s=0.1")
on_cluster = pytest.mark.skipif(bool(why_not()), reason=why_not())
QUICK = (*SLURM, "hydra.launcher.snapshot=false", "+main.x=0")


def test_without_slurm_there_is_no_launch(sweep: Run, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(str(shutil.which("git")))
    done = sweep("fails", *QUICK, PATH=str(tools), expect=2)
    assert "SLURM's commands (sbatch, srun, squeue) are not on this machine" in done.stderr
    assert not (tmp_path / "out/0").exists()


def test_an_option_that_only_the_sweep_could_tell(sweep: Run) -> None:
    words = ("hydra.launcher.partition=${where}", "+where=low,high")
    done = sweep("fails", *QUICK, *words, expect=2)
    assert "hydra.launcher" in done.stderr
    assert "'where' not found" in done.stderr


def test_jobs_that_are_submitted_one_by_one(sweep: Run) -> None:
    plan = (*SLURM, "hydra.launcher.dry_run=true", "resources.gpus_per_proc=0", "+main.x=1,2")
    assert sweep("told", *plan).stdout.count("#!/bin/bash") == 1
    done = sweep("told", *plan, "hydra.launcher.array=false")
    assert done.stdout.count("#!/bin/bash") == 2
    assert "#SBATCH --array" not in done.stdout


@pytest.mark.slurm
@on_cluster
def test_a_job_waits_for_what_there_is_not_and_another_fails_before_it_starts(
    sweep: Run, saved: Run
) -> None:
    words = ("resources.nodes=9,1", "hydra.launcher.on_error=stop")
    setup = "hydra.launcher.setup=['nosuchcommand a']"
    done = sweep("fails", *QUICK, *words, setup, expect=1)
    assert done.stdout.count("job 0 waits: PartitionConfig") == 1
    assert "nosuchcommand: command not found" in done.stdout
    assert [job["status"] for job in saved()["jobs"]] == ["cancelled", "failed"]


@pytest.mark.slurm
@on_cluster
def test_requeues_that_are_used_up(sweep: Run, saved: Run, tmp_path: Path) -> None:
    done = sweep("unfinished", *QUICK, "hydra.launcher.max_requeues=0", expect=1)
    assert "as often as hydra.launcher.max_requeues allows" in done.stdout
    assert saved()["jobs"][0]["status"] == "failed"
    assert len(list((tmp_path / "out/0/.launch").glob("attempt_*"))) == 1


@pytest.mark.slurm
@on_cluster
def test_names_that_slurm_reads_in_its_own_way(sweep: Run, launch: Run, tmp_path: Path) -> None:
    sweep("fails", *QUICK, "hydra.launcher.job_name='a \"b\" 5% %j'", "+note='it\\'s \"$HOME\"'")
    assert 'JobName=a "b" 5% %j' in call("scontrol", "show", "job", place(tmp_path / "out/0"))
    done = launch("fails", "-m", "hydra.sweep.dir=100%j", *QUICK, expect=2)
    assert "has '%' in its name" in done.stderr
