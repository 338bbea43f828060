"""The same command again, whatever has become of the jobs that it had submitted before.

Run on a cluster with accounts and on one without.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import MODULES
from slurm_cluster import call, has_accounts, needs_cluster, place, setting, until, why_not

import forgather_hydra as fg
from forgather_hydra.jobs.slurm.scheduler import Submission, Watcher, elements, submission_of
from forgather_hydra.jobs.watch.remote import cancel_jobs, views
from forgather_hydra.rundir.files import read_json, write_json

pytestmark = needs_cluster
Run = Callable[..., Any]
SWEEP = (
    *("hydra/launcher=forgather_slurm", "hydra.launcher.poll_s=0.2", "hydra.sweep.dir=out"),
    *("hydra.launcher.snapshot=false", "+main={_target_: launch_tasks.told, _partial_: true}"),
)
HELD = ("hydra.launcher.detach=true", "hydra.launcher.additional_parameters={hold: true}")


@pytest.fixture
def again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Launches three jobs, or some, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(MODULES))
    monkeypatch.syspath_prepend(str(MODULES))

    def launch(*words: str, x: str = "1,2,3") -> None:
        fg.launch(*SWEEP, f"+main.x={x}", *words, multirun=True)

    return launch


def ids() -> list[str]:
    return [place(path) for path in sorted(Path("out").glob("[0-9]*"))]


def array() -> str:
    return ids()[0].partition("_")[0]


def finished() -> list[bool]:
    jobs = read_json(Path("out/sweep.json"))["jobs"]  # type: ignore[index]
    return [job["status"] == "finished" for job in jobs]


def states(job: str) -> str:
    done = subprocess.run(
        ["squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%T"], capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("how", ["forgather", "scancel", "one"])
def test_jobs_that_were_cancelled_while_they_waited(again: Run, how: str) -> None:
    again(*HELD)
    before = ids()
    if how == "forgather":
        assert all(told.is_good for told in cancel_jobs(Path("out"), [], save=False))
    else:
        call("scancel", array() if how == "scancel" else before[1])
    again(*(("hydra.launcher.detach=true",) if how == "one" else ()))
    if how == "one":  # the others wait still; the array is known to the queue, the job is not
        assert [old == new for old, new in zip(before, ids(), strict=True)] == [True, False, True]
        call("scontrol", "release", before[0].partition("_")[0])
        again()
    assert finished() == [True] * 3


def test_a_run_that_waits_keeps_its_directory_to_itself(again: Run, tmp_path: Path) -> None:
    main, run = "+main={_target_: builtins.dict, _partial_: true}", f"hydra.run.dir={tmp_path}/run"

    def on_cluster(x: int, *words: str) -> None:
        fg.launch(main, run, f"+main.x={x}", "hydra/launcher=forgather_slurm", *words)

    on_cluster(1, *HELD)
    with pytest.raises(
        fg.errors.ForgatherError, match=r"holds another job (?s:.*)forgather cancel"
    ):
        on_cluster(2)
    with pytest.raises(fg.errors.ForgatherError, match=r"job \d+ of the cluster is to run in"):
        fg.launch(main, run, "+main.x=3")
    kept = tmp_path / "run/.hydra/overrides.yaml"
    assert "+main.x=1" in kept.read_text()
    call("scancel", place(tmp_path / "run"))
    on_cluster(2, "hydra.launcher.poll_s=0.2")
    assert "+main.x=2" in kept.read_text()
    assert not (tmp_path / "run/.hydra.former").exists()
    assert fg.RunDirectory(tmp_path / "run").result == {"x": 2}


def test_jobs_that_the_queue_has_forgotten(again: Run, min_job_age: None) -> None:
    again(*HELD, x="1")
    call("scancel", array())
    until(lambda: not states(array()))
    assert [view.state for view in views(Path("out"))] in (["cancelled"], ["gone"])
    again(x="1")
    assert finished() == [True]


def test_an_id_that_means_another_job_now(again: Run) -> None:
    """As after the controller has lost its state, and counts anew."""
    again(*HELD, x="1")
    mine = array()
    other = call("sbatch", "--parsable", "--hold", "-o/dev/null", "--wrap=true").strip()
    file = Path("out/0/.launch/place.json")
    write_json(file, read_json(file) | {"id": other})  # type: ignore[operator]
    assert not next(cancel_jobs(Path("out"), [], save=False)).line.startswith("job 0 (")
    assert states(other) == "PENDING"
    again(x="1")
    assert finished() == [True]
    assert states(other) == "PENDING"
    call("scancel", mine, other)


def test_a_partition_that_goes_down(again: Run) -> None:
    call("scontrol", "update", "partition=low", "state=down")
    try:
        again("hydra.launcher.partition=low", "hydra.launcher.detach=true", x="1")
        until(lambda: [view.note for view in views(Path("out"))] == ["PartitionDown"])
    finally:
        call("scontrol", "update", "partition=low", "state=up")
    again("hydra.launcher.partition=low", x="1")
    assert finished() == [True]


@pytest.mark.skipif(setting("MaxArraySize") != "20", reason="the cluster allows larger arrays")
def test_more_jobs_than_an_array_may_have(again: Run) -> None:
    again(*HELD, x="range(23)")
    sizes = [
        len([name for name in ids() if name.startswith(f"{job}_")])
        for job in {name.partition("_")[0] for name in ids()}
    ]
    assert sorted(sizes) == [3, 20]
    assert {view.state for view in views(Path("out"))} == {"pending"}
    assert len([*cancel_jobs(Path("out"), [], save=False)]) == 23
    assert not any(states(job) == "PENDING" for job in {name.partition("_")[0] for name in ids()})


@pytest.mark.skipif(not why_not() and not has_accounts(), reason="the cluster has no slurmdbd")
def test_accounts_tell_of_elements_that_never_ran(
    again: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(*HELD)
    call("scancel", array())
    forgetful = tmp_path / "squeue"  # as after MinJobAge
    forgetful.write_text("#!/bin/sh\n")
    forgetful.chmod(0o755)
    placed = (submission_of(tmp_path / f"out/{number}") for number in range(3))
    jobs = [job for job in placed if job is not None]
    assert len(jobs) == 3
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    until(lambda: {s.state for s in Watcher(600).look(jobs).values()} == {"CANCELLED"}, 60)


@pytest.mark.skipif(not why_not() and not has_accounts(), reason="the cluster has no slurmdbd")
def test_accounts_that_stop_in_the_middle(again: Run, min_job_age: None) -> None:
    again(*HELD, x="1")
    daemon = Path(os.environ["SLURM_CONF"]).parent / "run/slurmdbd.pid"
    os.kill(int(daemon.read_text()), 15)
    until(lambda: not has_accounts())
    try:
        call("scancel", array())
        until(lambda: not states(array()))
        again(x="1")
    finally:
        subprocess.run(["slurmdbd"], check=True)
        until(has_accounts)
    assert finished() == [True]


@pytest.mark.skipif("affinity" not in setting("TaskPlugin"), reason="tasks are not bound to CPUs")
def test_a_process_may_use_the_cores_that_were_asked_for(again: Run) -> None:
    again("resources.cpus_per_proc=2", x="1")
    (log,) = Path("seen").iterdir()
    assert read_json(log)["cores"] == 2  # type: ignore[index]


@pytest.fixture
def min_job_age() -> Iterator[None]:
    """A cluster that forgets jobs three seconds after they have ended."""
    conf = Path(os.environ["SLURM_CONF"])
    before = conf.read_text()
    age = next(line for line in before.splitlines() if line.startswith("MinJobAge="))
    conf.write_text(before.replace(age, "MinJobAge=3"))
    call("scontrol", "reconfigure")
    yield
    conf.write_text(before)
    call("scontrol", "reconfigure")


def test_rows_for_several_elements() -> None:
    assert [*elements("7_[3,5-6%2]")] == ["7_3", "7_5", "7_6"]
    assert [*elements("7_[1-7:3]")] == ["7_1", "7_4", "7_7"]
    assert [*elements("7_2")] == ["7_2"]
    assert [*elements("7")] == ["7"]
    assert Submission("7").folder in "anything"
