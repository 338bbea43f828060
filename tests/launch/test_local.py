"""``hydra/launcher=forgather_local``: slots, failures, Ctrl-C, and sweeps that go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import setup_globals
from omegaconf import OmegaConf

from forgather_hydra.config.given import directory_of
from forgather_hydra.sweep.sweeper import named_now

Run = Callable[..., Any]


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(paths: list[Path]) -> None:
    deadline = time.monotonic() + 60
    while not all(path.exists() and path.read_text() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_jobs_share_out_the_devices(sweep: Run, tmp_path: Path) -> None:
    words = ("hydra.launcher.stagger_s=0", "+main.seconds=0.5", "+main.x=1,2,3,4,5")
    done = sweep("told", "hydra.launcher.devices=[5,7]", *words, "hydra.launcher.env={MARK: m}")
    seen = [json.loads(path.read_text()) for path in (tmp_path / "seen").iterdir()]
    assert sorted(job["x"] for job in seen) == [1, 2, 3, 4, 5]
    for device in ("5", "7"):
        turns = sorted((j["begin"], j["end"]) for j in seen if j["CUDA_VISIBLE_DEVICES"] == device)
        assert len(turns) >= 2
        assert all(before[1] <= after[0] for before, after in pairwise(turns))
    assert {job["CUDA_VISIBLE_DEVICES"] for job in seen} == {"5", "7"}
    assert {job["MARK"] for job in seen} == {"m"}
    assert len({job["session"] for job in seen}) == 5
    assert "best: job 2, eval_loss 0: " in done.stdout

    hydra = OmegaConf.load(tmp_path / "out/1/.hydra/hydra.yaml").hydra
    assert hydra.runtime.output_dir == str(tmp_path / "out" / "1")
    assert (hydra.job.num, list(hydra.overrides.task)[-1]) == (1, "+main.x=2")
    assert (tmp_path / "out/1/run.json").exists()


def test_jobs_are_started_a_little_apart(sweep: Run, tmp_path: Path) -> None:
    sweep("told", "hydra.launcher.devices=[5,7]", "hydra.launcher.stagger_s=1", "+main.x=1,2")
    begun = [json.loads(path.read_text())["begin"] for path in (tmp_path / "seen").iterdir()]
    assert max(begun) - min(begun) > 0.5


def test_as_many_jobs_share_a_device_as_may(sweep: Run, tmp_path: Path) -> None:
    shared = ("hydra.launcher.devices=[5]", "hydra.launcher.jobs_per_device=2")
    done = sweep("meets", "hydra.launcher.stagger_s=0", *shared, "+main.x=1,2")
    assert {(tmp_path / f"here-{x}").read_text() for x in (1, 2)} == {"5"}
    done = sweep("meets", "hydra.launcher.dry_run=true", *shared, "+main.x=1,2,3")
    assert "3 jobs, at most 2 at a time" in done.stdout


def test_jobs_that_share_a_device_do_not_meet_across_launchers(start: Run, tmp_path: Path) -> None:
    words = ("-m", "hydra.launcher.devices=[3]", "+main.seconds=0.4", "+main.x=1,2")
    both = [start("told", *words, f"hydra.sweep.dir={name}") for name in ("a", "b")]
    assert [each.wait(60) for each in both] == [0, 0]
    turns = sorted(
        (job["begin"], job["end"])
        for path in (tmp_path / "seen").iterdir()
        if (job := json.loads(path.read_text()))
    )
    assert len(turns) == 4
    assert all(before[1] <= after[0] for before, after in pairwise(turns))


def test_each_way_to_fail_is_told(sweep: Run, saved: Run, tmp_path: Path) -> None:
    done = sweep("fails", "+main.x=0,1,2,3,4,5", expect=1)
    errors = {job["number"]: job["error"] for job in saved()["jobs"] if job["status"] == "failed"}
    assert errors == {
        1: "ValueError: one is not wanted",
        2: "JobFailed: the process left with exit status 7 and no result",
        3: "JobFailed: the process was ended by SIGKILL",
        4: "JobFailed: the job left with sys.exit('no way')",
        5: "JobFailed: Odd: odd",
    }
    assert saved()["jobs"][0]["value"] == 0.0
    assert "in fails" in (tmp_path / "out/1/traceback.txt").read_text()
    assert "in fails" in (tmp_path / "out/5/traceback.txt").read_text()
    told = "error: 5 of 6 jobs failed; traceback.txt of 3 of them beside their outputs\n"
    assert done.stderr.endswith(told)
    assert done.stdout.count("one is not wanted") == 1


def test_stop_at_the_first_failure(sweep: Run, saved: Run) -> None:
    words = ("hydra.launcher.on_error=stop", "hydra.launcher.max_parallel=1")
    done = sweep("fails", *words, "+main.x=0,1,6", expect=1)
    assert "1 of 3 jobs failed, and 1 cancelled; traceback.txt in its directory" in done.stderr
    assert [job["status"] for job in saved()["jobs"]] == ["finished", "failed", "cancelled"]


def test_try_again(sweep: Run, saved: Run) -> None:
    done = sweep("once", "hydra.launcher.on_error='retry(1)'", "+main.x=1,2")
    assert [job["status"] for job in saved()["jobs"]] == ["finished", "finished"]
    assert done.stdout.count("is tried again") == 2


def test_a_sweep_goes_on_where_it_was(sweep: Run, saved: Run, tmp_path: Path) -> None:
    sweep("fails", "+main.x=0,1", expect=1)
    before = (tmp_path / "out/0/run.json").read_text()
    done = sweep("fails", "+main.x=6,1,0", expect=1)
    assert "1 of 3 jobs is finished already" in done.stdout
    assert (tmp_path / "out/0/run.json").read_text() == before
    assert [job["value"] for job in saved()["jobs"]] == [6.0, None, 0.0]


def test_going_on_unpickles_nothing(sweep: Run, saved: Run, tmp_path: Path) -> None:
    sweep("fails", "+main.x=0,6")
    for number in (0, 1):
        (tmp_path / f"out/{number}/.launch/return.pkl").write_bytes(b"not what was left there")
    done = sweep("fails", "+main.x=0,6")
    assert "2 of 2 jobs are finished already" in done.stdout
    assert [job["value"] for job in saved()["jobs"]] == [0.0, 6.0]


def test_jobs_agree_on_the_time_that_names_their_sweep(launch: Run, tmp_path: Path) -> None:
    launch("fails", "-m", "hydra.sweep.dir=out/${now:%S-%f}", "+main.x=0,6,7")
    (sweep,) = (tmp_path / "out").iterdir()
    assert {"0", "1", "2", "sweep.json"} <= {path.name for path in sweep.iterdir()}


def test_jobs_of_another_application_run_anew_each_time(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import hydra\n"
        "@hydra.main(version_base=None)\n"
        "def main(cfg):\n"
        "    open('calls.txt', 'a').write(f'{cfg.x}\\n')\n"
        "    return cfg.x\n"
        "main()\n"
    )
    words = ("-m", "hydra/launcher=forgather_local", "hydra.sweep.dir=out", "+x=1,2")
    for _ in range(2):
        subprocess.run([sys.executable, "app.py", *words], cwd=tmp_path, check=True)
    assert sorted((tmp_path / "calls.txt").read_text().split()) == ["1", "1", "2", "2"]


def test_a_sweep_named_by_the_time_is_no_other_sweeps(tmp_path: Path) -> None:
    def named(pattern: str) -> tuple[Path, bool]:
        sweep = {"dir": f"{tmp_path}/${{now:{pattern}}}"}
        config = OmegaConf.create({"hydra": {"sweep": sweep}})
        is_new = named_now(config)
        return directory_of(config, "hydra.sweep.dir"), is_new

    setup_globals()
    taken, is_new = named("%S")
    assert is_new
    taken.mkdir()
    later, is_new = named("%S")
    assert is_new
    assert later != taken
    days, is_new = named("%Y")
    assert is_new
    days.mkdir()
    assert named("%Y") == (days, False)


def test_two_jobs_are_not_put_into_one_directory(sweep: Run, tmp_path: Path) -> None:
    done = sweep("fails", "+main.x=0,6", "hydra.sweep.subdir=same", expect=2)
    assert "holds another job (" in done.stderr
    assert not list(tmp_path.rglob("run.json"))


def test_two_launchers_share_a_sweep(start: Run, saved: Run, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    words = ("-m", "hydra.sweep.dir=out", "+main.x=1,2,3", "hydra.launcher.max_parallel=2")
    first = start("counted", *words)
    wait_for([tmp_path / "calls.txt"])
    second = start("counted", *words, XDG_RUNTIME_DIR=str(tmp_path / "other"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "out/2/.launch/result.json").exists():
        time.sleep(0.05)
    (tmp_path / "hold-1").unlink()
    assert [each.wait(60) for each in (first, second)] == [0, 0]
    assert sorted((tmp_path / "calls.txt").read_text().split()) == ["1", "2", "3"]
    assert [job["value"] for job in saved()["jobs"]] == [1.0, 2.0, 3.0]


def test_ctrl_c_ends_what_was_started_and_nothing_else(
    start: Run, sweep: Run, tmp_path: Path
) -> None:
    words = ("-m", "hydra.sweep.dir=other", "+main.x=9")
    other = start("stubborn", *words, XDG_RUNTIME_DIR=str(tmp_path / "other"))
    words = ("-m", "hydra.sweep.dir=out", "+main.x=1,2,3", "hydra.launcher.max_parallel=2")
    process = start("stubborn", *words)
    pids = [tmp_path / f"pids-{x}" for x in (1, 2, 9)]
    wait_for(pids)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, out + error
    assert "interrupted" in error
    one, two, nine = ([int(pid) for pid in path.read_text().split()] for path in pids)
    assert not any(map(alive, one + two))
    assert all(map(alive, nine))
    assert not (tmp_path / "pids-3").exists()
    other.send_signal(signal.SIGINT)
    other.communicate(timeout=60)
    assert not any(map(alive, nine))


def test_a_plan_is_printed_and_nothing_done(sweep: Run, tmp_path: Path) -> None:
    words = ("hydra.launcher.dry_run=true", "hydra.launcher.devices=[0,1]")
    done = sweep("told", *words, "+main.x=1,2,3")
    assert "3 jobs, at most 2 at a time, on GPUs 0, 1" in done.stdout
    assert "\n  1 process, 1 slot, 1 thread\n" in done.stdout
    assert "forgather_hydra.jobs.worker" in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hydra.launcher.on_error=maybe",), "on_error is 'maybe'"),
        (("resources.nodes=2",), "asks for 2 nodes, and this machine is one"),
        (("resources.nproc_per_node=0",), "nproc_per_node is 0"),
        (("resources.gpus_per_proc=1",), "asks for 1 GPU, and 0 can be had"),
        (("+trainer._target_=forgather_hydra.train.Trainer", "resources.nodes=2"), "one process"),
    ],
)
def test_what_cannot_run_is_told_before_anything_is(
    sweep: Run, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    if "Trainer" in words[0]:
        words = (*words, "+trainer._partial_=true")
    done = sweep("told", "+main.x=1,2", "hydra.launcher.devices=none", *words, expect=2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("run.json"))


def test_a_snapshot_keeps_queued_jobs_as_they_were(start: Run, saved: Run, tmp_path: Path) -> None:
    code = tmp_path / "project_code.py"
    code.write_text("ANSWER = 'before'\n")
    (tmp_path / "hold-1").touch()
    words = ("-m", "hydra.sweep.dir=out", "hydra.launcher.max_parallel=1")
    process = start(
        "", *words, "hydra.launcher.snapshot=true",
        "+main={_target_: launch_tasks.counted, _partial_: true, x: 1},"
        "{_target_: launch_tasks.edited, _partial_: true, x: 2}",
    )  # fmt: skip
    wait_for([tmp_path / "calls.txt"])
    code.write_text("ANSWER = 'after'\n")
    (tmp_path / "hold-1").unlink()
    assert process.wait(60) == 0
    assert saved()["jobs"][1]["metrics"]["answer"] == "before"


def test_the_same_command_again_runs_the_code_as_it_is_then(
    sweep: Run, saved: Run, tmp_path: Path
) -> None:
    code = tmp_path / "project_code.py"
    copies = tmp_path / "out/.launch/code"
    for answer, expect in (("wrong", 1), ("still wrong", 1), ("still wrong", 1), (6, 0)):
        code.write_text(f"ANSWER = {answer!r}\n")
        sweep("answers", "+main.x=7", "hydra.launcher.snapshot=true", expect=expect)
        code.write_text("ANSWER = 'of another day'\n")
    assert saved()["jobs"][0]["metrics"]["answer"] == 42
    assert len([*copies.iterdir()]) == 3


def test_a_search_runs_trials_at_the_same_time(sweep: Run, tmp_path: Path) -> None:
    words = ("hydra/sweeper=forgather_optuna", "+main.x=interval(0,6)", "+main.seconds=1.5")
    sweep("told", *words, "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=2")
    one, two = (json.loads(path.read_text()) for path in (tmp_path / "seen").iterdir())
    assert one["begin"] < two["end"]
    assert two["begin"] < one["end"]


def test_processes_of_a_job_find_each_other(launch: Run, tmp_path: Path) -> None:
    words = ("resources.nproc_per_node=2", "hydra.launcher.devices=[4,6]", "hydra.run.dir=run")
    launch("ranks", "+main.x=0", "resources.gpus_per_proc=1", *words)
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["status"] == "finished"
    assert record["result"]["eval_loss"] == 3
    everyone = record["result"]["everyone"]
    assert [each["RANK"] for each in everyone] == [each["LOCAL_RANK"] for each in everyone]
    assert [each["RANK"] for each in everyone] == ["0", "1"]
    assert {each["WORLD_SIZE"] for each in everyone} == {"2"}
    assert {each["CUDA_VISIBLE_DEVICES"] for each in everyone} == {"4,6"}
    assert len({each["MASTER_PORT"] for each in everyone}) == 1
    assert [each["reached_at"] for each in everyone] == [["127.0.0.1"]] * 2  # and from nowhere else
    left = sorted(path.name for path in (tmp_path / "run/.launch/attempt_1").iterdir())
    assert left == ["place.json", "rank_0.log", "rank_1.log", "torchrun.log"]


def test_the_process_that_failed_first_is_told(sweep: Run, saved: Run) -> None:
    begin = time.monotonic()
    done = sweep("ranks", "+main.x=1,2", "resources.nproc_per_node=2", expect=1)
    assert time.monotonic() - begin < 60  # and not after a timeout of the processes' connection
    assert "process 1 of 2: ValueError: the second" in done.stdout
    errors = [job["error"] for job in saved()["jobs"]]
    assert "process 1 of 2: ValueError: the second process does not like it" in errors[0]
    assert "JobFailed" in errors[1] or "RuntimeError" in errors[1]


def test_a_launcher_of_one_process_refuses_a_job_of_several(launch: Run) -> None:
    words = ("resources.nproc_per_node=2", "hydra/launcher=basic", "-m", "+main.x=0")
    done = launch("ranks", *words, expect=1)
    assert "needs 2 processes" in done.stdout + done.stderr


def test_a_job_is_seen_and_cancelled_from_elsewhere(start: Run, tmp_path: Path) -> None:
    words = ("-m", "hydra.sweep.dir=out", "+main.x=1,2,3", "hydra.launcher.max_parallel=2")
    process = start("stubborn", *words)
    wait_for([tmp_path / "pids-1", tmp_path / "pids-2"])
    command = [sys.executable, "-c", "from forgather_hydra.cli.forgather import main; main()"]

    def forgather(*words: str) -> str:
        done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True)
        return done.stdout

    rows = forgather("status", "out").splitlines()[1:]
    assert [row.split()[2] for row in rows] == ["running", "running", "queued"]
    told = forgather("cancel", "out", "2", "1").splitlines()
    assert told == ["job 1 is told to end", "job 2 will not be started"]
    told = forgather("cancel", "out").splitlines()
    assert "job 0 is told to end" in told
    assert process.wait(60) == 1
    rows = forgather("status", "out").splitlines()[1:]
    assert [row.split()[2] for row in rows] == ["cancelled"] * 3
    pids = [int(pid) for x in (1, 2) for pid in (tmp_path / f"pids-{x}").read_text().split()]
    assert not any(map(alive, pids))


@pytest.mark.parametrize(
    ("x", "code", "told"),
    [
        ("value", 2, "error: not so\n  in the call of launch_tasks.all_fail\n"),
        ("code", 1, "ZeroDivisionError: division by zero\n"),
        ("silent", 1, "error: process 1 left with exit status 7 and no result\n"),
    ],
)
def test_the_failure_of_a_single_run_is_told_once(
    launch: Run, x: str, code: int, told: str
) -> None:
    words = (f"+main.x={x}", "hydra.run.dir=run")
    done = launch("all_fail", *words, "resources.nproc_per_node=2", expect=code)
    everything = done.stdout + done.stderr
    assert everything.count(told) == 1
    assert "Error executing job" not in everything
    assert everything.count("Traceback") == (told.startswith("Zero"))
    assert "run/.launch/attempt_1\n" in done.stdout
