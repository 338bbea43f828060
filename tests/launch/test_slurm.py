"""``hydra/launcher=forgather_slurm`` on a real cluster: arrays, failures, and other terminals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from slurm_cluster import call, has_accounts, has_text, needs_cluster, place, state, until, why_not

from forgather_hydra.jobs.slurm.scheduler import Submission, Watcher

pytestmark = needs_cluster
Run = Callable[..., Any]
SLURM = ("hydra/launcher=forgather_slurm", "hydra.launcher.poll_s=0.1")
QUICK = (*SLURM, "hydra.launcher.snapshot=false")


def forgather(*words: str, cwd: Path, expect: int = 0) -> str:
    """Run ``forgather`` as from another terminal."""
    command = [sys.executable, "-c", "from forgather_hydra.cli.forgather import main; main()"]
    done = subprocess.run([*command, *words], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_like_jobs_are_an_array_and_each_failure_is_told(
    sweep: Run, saved: Run, tmp_path: Path
) -> None:
    sweep("fails", *QUICK, "+main.x=0,1,2,5", expect=1)
    ids = [place(tmp_path / "out" / str(number)) for number in range(4)]
    assert [name.partition("_")[2] for name in ids] == ["0", "1", "2", "3"]
    assert len({name.partition("_")[0] for name in ids}) == 1
    jobs = saved()["jobs"]
    assert [job["status"] for job in jobs] == ["finished", "failed", "failed", "failed"]
    assert jobs[1]["error"] == "ValueError: one is not wanted"
    assert "ended as FAILED" in jobs[2]["error"]
    assert jobs[3]["error"] == "JobFailed: Odd: odd"
    hydra = OmegaConf.load(tmp_path / "out/0/.hydra/hydra.yaml").hydra
    assert hydra.runtime.output_dir == str(tmp_path / "out/0")

    table = forgather("status", "out", cwd=tmp_path, expect=1)
    assert "ValueError: one is not wanted" in table
    done = sweep("fails", *QUICK, "+main.x=0,1,2,5", "hydra.launcher.dry_run=true")
    assert "#SBATCH --array=0-3%4" in done.stdout
    assert "#SBATCH --signal=B:USR2@120" in done.stdout


def test_resources_of_each_job_are_its_own(sweep: Run, tmp_path: Path) -> None:
    words = ("resources.gpus_per_proc=0,1,2", "+main.x=1", "resources.cpus_per_proc=2")
    options = ("hydra.launcher.env={MARK: 'a b'}", "hydra.launcher.setup=['export FOO=1']")
    of_another = {"RANK": "1", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "a shell in a job"}
    sweep("told", *QUICK, *words, *options, **of_another)
    seen = [json.loads(path.read_text()) for path in (tmp_path / "seen").iterdir()]
    devices = sorted(str(job["CUDA_VISIBLE_DEVICES"]) for job in seen)
    assert [len(names.split(",")) for names in devices if names != "None"] == [1, 2]
    assert {job["MARK"] for job in seen} == {"a b"}
    asked = call("scontrol", "show", "job", place(tmp_path / "out/2"))
    assert "NumCPUs=2" in asked
    assert "gpu:2" in asked


def test_an_output_that_nobody_reads_leaves_the_jobs_alone(start: Run, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    process = start("counted", "-m", "hydra.sweep.dir=out", *QUICK, "+main.x=1")
    assert "submitted" in process.stdout.readline()
    process.stdout.close()
    (tmp_path / "hold-1").unlink()  # so that there is something to say
    error = process.stderr.read()
    assert process.wait(60) == 1
    assert error == (
        "error: [Errno 32] Broken pipe\n"
        "  the jobs go on without this command\n"
        "  the same command with hydra.sweep.dir=out goes on where it was\n"
    )
    assert (tmp_path / "out/0/.launch/result.json").exists()


def test_what_the_cluster_refuses_has_failed_and_the_rest_goes_on(sweep: Run, saved: Run) -> None:
    done = sweep("fails", *QUICK, "+main.x=0", "resources.mem_gb=0.1,100000", expect=1)
    assert [job["status"] for job in saved()["jobs"]] == ["finished", "failed"]
    assert "the cluster refused the job" in done.stdout
    assert (done.stdout + done.stderr).count("Requested node configuration is not available") <= 1


def test_failed_jobs_are_tried_again(sweep: Run, saved: Run) -> None:
    done = sweep("once", *QUICK, "hydra.launcher.on_error='retry(1)'", "+main.x=1,2")
    assert [job["status"] for job in saved()["jobs"]] == ["finished", "finished"]
    assert done.stdout.count("is tried again") == 2


def test_a_failure_ends_what_waits(sweep: Run, saved: Run) -> None:
    words = ("hydra.launcher.on_error=stop", "hydra.launcher.array_parallelism=1")
    sweep("fails", *QUICK, *words, "+main.x=1,6,7,8", expect=1)
    statuses = [job["status"] for job in saved()["jobs"]]
    assert (statuses[0], statuses[-1]) == ("failed", "cancelled")


def test_detached_jobs_are_followed_and_cancelled_from_elsewhere(
    sweep: Run, start: Run, tmp_path: Path, saved: Run
) -> None:
    for x in (1, 2):
        (tmp_path / f"hold-{x}").touch()
    words = ("hydra.launcher.detach=true", "hydra.launcher.array_parallelism=2", "+main.x=1,2,3")
    done = sweep("counted", *QUICK, *words)
    out = tmp_path / "out"
    ids = [place(out / str(number)) for number in range(3)]
    assert f"submitted 3 jobs as {ids[0].partition('_')[0]}" in done.stdout
    assert {job["status"] for job in saved()["jobs"]} == {"submitted"}
    calls = tmp_path / "calls.txt"
    until(lambda: calls.exists() and len(calls.read_text().split()) == 2)
    table = forgather("status", "out", cwd=tmp_path)
    assert [line.split()[2] for line in table.splitlines()[1:]] == ["running"] * 2 + ["pending"]

    assert "is cancelled" in forgather("cancel", "out", "2", cwd=tmp_path)  # no trace in SLURM
    (tmp_path / "hold-1").unlink()
    until(lambda: (out / "0/.launch/result.json").exists())
    assert "cancelled" in forgather("status", "out", cwd=tmp_path).splitlines()[3]

    # The same command attaches to what runs, keeps what is finished, and submits the rest again.
    process = start("counted", "-m", "hydra.sweep.dir=out", *QUICK, "+main.x=1,2,3")
    told = [process.stdout.readline() for _ in range(2)]
    (tmp_path / "hold-2").unlink()
    assert told[0] == "1 of 3 jobs is finished already\n", told
    assert told[1] == f"job 1 is in the queue already, as {ids[1]}\n", told
    out_and_error = process.communicate(timeout=240)
    assert process.returncode == 0, out_and_error
    assert sorted((tmp_path / "calls.txt").read_text().split()) == ["1", "2", "3"]
    assert [job["value"] for job in saved()["jobs"]] == [1.0, 2.0, 3.0]
    assert "best: job 0" in forgather("results", "out", cwd=tmp_path)
    assert "counted" in forgather("sweep", "show", "out", cwd=tmp_path)


@pytest.mark.skipif(not why_not() and not has_accounts(), reason="the cluster has no slurmdbd")
def test_what_the_queue_has_forgotten_is_in_the_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = call("sbatch", "--parsable", "-o/dev/null", "--wrap=exit 3").strip()
    until(lambda: state(job) == "FAILED")
    forgetful = tmp_path / "squeue"  # as after MinJobAge, five minutes
    forgetful.write_text("#!/bin/sh\n")
    forgetful.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    until(lambda: Watcher().look([Submission(job)])[job].state == "FAILED", 30)


def test_a_single_run_with_two_nodes(launch: Run, tmp_path: Path) -> None:
    words = ("cluster=slurm", "resources.nodes=2", "hydra.run.dir=run", "+main.x=0")
    done = launch("ranks", *words, "hydra.launcher.poll_s=0.1")
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["result"]["eval_loss"] == 3, done.stdout
    assert "finished, eval_loss 3  run" in done.stdout
    everyone = record["result"]["everyone"]
    assert [each["RANK"] for each in everyone] == ["0", "1"]
    assert {each["LOCAL_RANK"] for each in everyone} == {"0"}
    assert {each["WORLD_SIZE"] for each in everyone} == {"2"}
    assert (tmp_path / "run/.launch/code").is_dir()
    log = forgather("logs", "run", "--rank", "1", cwd=tmp_path)
    assert "Traceback" not in log


def test_processes_on_one_node_are_reached_from_there_alone(launch: Run, tmp_path: Path) -> None:
    words = ("cluster=slurm", "resources.nproc_per_node=2", "hydra.run.dir=run", "+main.x=0")
    launch("ranks", *words, "hydra.launcher.poll_s=0.1", "hydra.launcher.snapshot=false")
    result = json.loads((tmp_path / "run/run.json").read_text())["result"]
    assert result["eval_loss"] == 3
    assert [each["reached_at"] for each in result["everyone"]] == [["127.0.0.1"]] * 2


def test_the_failure_of_a_single_run_is_told_once(launch: Run) -> None:
    words = ("cluster=slurm", "hydra.run.dir=run", "+main.x=1", "hydra.launcher.poll_s=0.5")
    done = launch("fails", *words, "hydra.launcher.snapshot=false", expect=2)
    everything = done.stdout + done.stderr
    assert everything.count("error: one is not wanted\n  in the call of launch_tasks.fails") == 1
    assert "Error executing job" not in everything


def test_a_job_that_is_started_twice_runs_once(sweep: Run, start: Run, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    process = start("counted", "-m", "hydra.sweep.dir=out", *QUICK, "+main.x=1")
    until(lambda: has_text(tmp_path / "calls.txt"))
    job = tmp_path / "out/0"
    worker = [sys.executable, "-m", "forgather_hydra.jobs.worker"]
    twice = subprocess.run([*worker, str(job), str(job / ".launch/attempt_2")], cwd=tmp_path)
    assert twice.returncode == 75
    (tmp_path / "hold-1").unlink()
    assert process.wait(60) == 0
    assert (tmp_path / "calls.txt").read_text().split() == ["1"]


def test_a_controller_that_restarts_is_survived(start: Run, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    process = start("counted", "-m", "hydra.sweep.dir=out", *QUICK, "+main.x=1,2")
    until(lambda: has_text(tmp_path / "calls.txt"))
    daemon = Path(os.environ["SLURM_CONF"]).parent / "run/slurmctld.pid"
    until(lambda: state(place(tmp_path / "out/0")) == "RUNNING")
    os.kill(int(daemon.read_text()), 15)
    until(lambda: subprocess.run(["scontrol", "ping"], capture_output=True).returncode)
    (tmp_path / "hold-1").unlink()
    subprocess.run(["slurmctld"], check=True)
    out, error = process.communicate(timeout=90)
    assert process.returncode == 0, out + error


def test_edits_after_submission_do_not_change_jobs(sweep: Run, saved: Run, tmp_path: Path) -> None:
    code = tmp_path / "project_code.py"
    code.write_text("ANSWER = 'before'\n")
    hold = ("hydra.launcher.additional_parameters={hold: true}", "hydra.launcher.detach=true")
    sweep("edited", *SLURM, *hold, "+main.x=1")
    code.write_text("ANSWER = 'after'\n")
    job = tmp_path / "out/0"
    call("scontrol", "release", place(job))
    until(lambda: (job / ".launch/result.json").exists())
    forgather("results", "out", cwd=tmp_path)
    assert saved()["jobs"][0]["metrics"]["answer"] == "before"
