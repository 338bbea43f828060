"""What is asked of SLURM, and what it has said, without a cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra_plugins.forgather_launcher._options import SLURM

from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.options import SlurmOptions, read_options
from forgather_hydra.jobs.slurm import scheduler
from forgather_hydra.jobs.slurm.cluster import topology_on_cluster
from forgather_hydra.jobs.slurm.script import executor, in_container
from forgather_hydra.jobs.snapshot import site_packages
from forgather_hydra.jobs.topology import Topology

TWO_NODES = Topology("AccelTrainer", 2, 4, 2, 3, 1.5, 90, "fast")


def options(**values: Any) -> SlurmOptions:
    found = read_options({**SLURM, "job_name": "a", **values})
    assert isinstance(found, SlurmOptions)
    return found


def script(folder: Path, topology: Topology = TWO_NODES, count: int = 1, **values: Any) -> str:
    path = [str(folder / "code"), *site_packages()]
    return executor(folder, count, topology, options(**values), path, folder).text()


def asked(text: str) -> dict[str, str]:
    """The options of sbatch in a script; those without a value are empty."""
    lines = [line.removeprefix("#SBATCH --") for line in text.splitlines() if "#SBATCH" in line]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_a_job_asks_for_what_it_needs(tmp_path: Path) -> None:
    found = asked(script(tmp_path))
    assert found["nodes"] == "2"
    assert found["ntasks-per-node"] == "4"
    assert found["gpus-per-node"] == "8"
    assert found["cpus-per-task"] == "3"
    assert found["mem"] == "1536M"
    assert found["time"] == "90"
    assert found["constraint"] == "fast"
    assert "nodelist" not in found
    assert "kill-on-invalid-dep" not in found


def test_the_launcher_has_the_last_word(tmp_path: Path) -> None:
    text = script(
        tmp_path,
        **{"timeout_min": 30, "mem_gb": 2, "gpus_per_node": 1, "cpus_per_task": 7},
        **{"constraint": "slow", "nodelist": ["n1", "n2"], "exclude": ["n3", "n4"]},
        **{"dependency": "afterok:7", "additional_parameters": {"hold": True, "spread-job": False}},
    )
    found = asked(text)
    assert (found["time"], found["mem"], found["gpus-per-node"]) == ("30", "2048M", "1")
    assert (found["cpus-per-task"], found["constraint"]) == ("7", "slow")
    assert "--cpus-per-task=7" in text.partition("srun ")[2]
    assert (found["nodelist"], found["exclude"]) == ("n1,n2", "n3,n4")
    assert (found["dependency"], found["kill-on-invalid-dep"]) == ("afterok:7", "yes")
    assert found["hold"] == ""
    assert "spread-job" not in found


def test_an_array_has_a_log_for_each_job(tmp_path: Path) -> None:
    found = asked(script(tmp_path, count=3, array_parallelism=2))
    assert found["array"] == "0-2%2"
    assert found["output"] == found["error"] == str(tmp_path / "%A_%a.log")


@pytest.mark.parametrize(("python", "has_own"), [(None, False), ("ch-run image -- python3", True)])
def test_another_python_has_packages_of_its_own(
    python: str | None, has_own: bool, tmp_path: Path
) -> None:
    text = script(tmp_path, python=python)
    path = next(line for line in text.splitlines() if line.startswith("export PYTHONPATH="))
    assert str(tmp_path / "code") in path
    assert has_own != any(entry in path for entry in site_packages())
    assert f"exec {python or sys.executable} -P" in text


def test_a_folder_within_another_is_mounted_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner, other = tmp_path / "a", tmp_path / "a/sweep", tmp_path / "ab"
    monkeypatch.setattr("forgather_hydra.jobs.slurm.script.project_roots", lambda: [outer, other])
    words = in_container(options(container="image", container_mounts=["/x:/y"]), inner)
    assert words[1] == f"--container-mounts={outer}:{outer},{other}:{other},/x:/y"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has SLURM's commands say something; they are not there."""

    def say(text: str, code: int = 0, error: str = "") -> None:
        def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess(words, code, text, error)

        monkeypatch.setattr(scheduler.subprocess, "run", run)
        scheduler.gpus_of_cluster.cache_clear()

    return say


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("(null)\n", 0),
        ("gpu:2\ngpu:8(S:0-1)\n(null)\n", 8),
        ("gpu:a100:4(S:0),shard:40\ngpu:v100:2\n", 4),
    ],
)
def test_the_node_with_most_gpus_counts(answers: Any, text: str, gpus: int) -> None:
    answers(text)
    assert scheduler.gpus_of_cluster(None) == gpus


def test_jobs_that_have_been_forgotten_are_just_not_listed(answers: Any) -> None:
    job = scheduler.Submission("7")
    for error, state, is_answered in (
        ("slurm_load_jobs error: Invalid job id specified", scheduler.GONE, True),
        ("slurm_load_jobs error: Unable to contact slurm controller", "PENDING", False),
    ):
        answers("", code=1, error=error)
        watcher = scheduler.Watcher(grace_s=-1, has_accounts=False)
        assert watcher.look([job])["7"].state == state
        assert watcher.answers == is_answered


def test_more_gpus_than_a_node_has(answers: Any) -> None:
    answers("gpu:4\n")
    topology = Topology("AccelTrainer", 1, 4, 2)
    job = SimpleNamespace(topology=topology, options=options(), number=3, overrides=["a=1"])
    with pytest.raises(ForgatherError, match=r"job 3 \(a=1\) asks for 8 GPUs .* have 4"):
        topology_on_cluster(job)  # type: ignore[arg-type]
    answers("gpu:8\n")
    assert topology_on_cluster(job) == topology  # type: ignore[arg-type]


def test_accounts_do_not_say_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"squeue": "", "sacct": "7|RUNNING|None|n1|sbatch /x/\n8|FAILED|None|n1|sbatch /x/\n"}

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 0, rows[words[0]], "")

    monkeypatch.setattr(scheduler.subprocess, "run", run)
    seen = scheduler.Watcher(grace_s=-1).look(
        [scheduler.Submission("7"), scheduler.Submission("8")]
    )
    assert (seen["7"].state, seen["8"].state) == (scheduler.GONE, "FAILED")


def test_a_job_of_somebody_else_is_not_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        called.append(words)
        rows = "7|RUNNING|None|n1|sbatch /a/submit-1/0/a.sh\n8|RUNNING|None|n1|sbatch /b/c.sh\n"
        return subprocess.CompletedProcess(words, 0, rows if words[0] == "squeue" else "", "")

    monkeypatch.setattr(scheduler.subprocess, "run", run)
    asked = [scheduler.Submission(name, "/submit-1/") for name in ("7", "8", "9")]
    assert scheduler.cancel_queued(asked)
    assert [words for words in called if words[0] == "scancel"] == [["scancel", "7"]]
