"""``hydra/sweeper=forgather`` on the command line: jobs, results, failures and exit codes."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg

Sweep = Callable[..., "subprocess.CompletedProcess[str]"]
Saved = Callable[[], dict[str, Any]]
FORGATHER = "hydra/sweeper=forgather"
QUADRATIC = "+experiment=quadratic"


def test_results_are_ranked_printed_and_saved(sweep: Sweep, saved: Saved, tmp_path: Path) -> None:
    done = sweep(QUADRATIC, FORGATHER, "optimizer.lr=1,2,3", "batch=1,2")
    table = done.stdout.partition("best first\n")[2].splitlines()
    assert [line.split()[0] for line in table[1:7]] == ["4", "2", "5", "3", "0", "1"]
    assert table[1].split() == ["4", "optimizer.lr=3", "batch=1", "1", "finished", "4"]
    assert table[7] == f"best: job 4, eval_loss 1: {QUADRATIC} optimizer.lr=3 batch=1"
    content = saved()
    assert content["best"]["number"] == 4
    assert content["jobs"][1]["metrics"] == {"eval_loss": 6.0, "speed": 20.0}
    with open(tmp_path / "out" / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["optimizer.lr"] == "1"
    assert rows[1]["eval_loss"] == "6.0"
    assert (tmp_path / "out" / "1" / "run.json").exists()


def test_a_failed_job_does_not_stop_the_others(sweep: Sweep, saved: Saved, tmp_path: Path) -> None:
    done = sweep(QUADRATIC, FORGATHER, "optimizer.lr=9,3", expect=1)
    assert [job["status"] for job in saved()["jobs"]] == ["failed", "finished"]
    assert "the loss diverges at 9" in saved()["jobs"][0]["error"]
    assert "job 0 failed: ValueError" in done.stdout
    assert done.stderr.endswith("error: 1 of 2 jobs failed; traceback.txt in its directory\n")
    assert "in power" in (tmp_path / "out" / "0" / "traceback.txt").read_text()


def test_another_metric_and_direction(sweep: Sweep, saved: Saved) -> None:
    words = ("optimized_metric=speed", "hydra.sweeper.direction=maximize")
    done = sweep(QUADRATIC, FORGATHER, "batch=1,3,2", *words)
    assert "best: job 1, speed 30:" in done.stdout
    assert saved()["metric"] == "speed"


def test_a_sweep_from_a_config_group(sweep: Sweep, saved: Saved) -> None:
    sweep(QUADRATIC, "+sweep=everything")
    jobs = [" ".join(job["overrides"][2:]) for job in saved()["jobs"]]
    assert jobs == [
        "optimizer.lr=1 batch=1 label='one, single' ns.degree=2",
        "optimizer.lr=1 batch=1 label='one, single' ns.degree=3",
        "optimizer.lr=1 batch=2 label=two ns.degree=2",
        "optimizer.lr=2 batch=1 label='one, single' ns.degree=2",
        "optimizer.lr=2 batch=1 label='one, single' ns.degree=3",
    ]
    assert [job["value"] for job in saved()["jobs"]] == [5.0, 9.0, 6.0, 2.0, 2.0]


def test_experiments_by_glob(sweep: Sweep, saved: Saved) -> None:
    sweep("+experiment=glob([quadratic,cubic])", FORGATHER, "optimizer.lr=1,2")
    assert [job["value"] for job in saved()["jobs"]] == [9.0, 2.0, 5.0, 2.0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("batch=1", "batch=2"), "set 'batch' twice"),
        (("batch=1,2", "hydra.sweeper.where='batsh > 1'"), "did you mean 'batch'"),
        (("hydra.sweeper.zip={batch:[1,2],label:[a]}",), "batch has 2, label has 1"),
        (("hydra.sweeper.grid=5",), "must be a mapping"),
        (("batch=1,2", "nothing=1,2"), "no key 'nothing'"),
        (("batch=1,2", "hydra.sweeper.direction=down"), "must be minimize or maximize"),
        (("batch=1,2", "hydra.sweep.dir=/dev/null/x"), "hint: set hydra.sweep.dir"),
        (("batch=1,2", "hydra.sweeper.max_batch_size=-1"), "must be a number of 1 or more"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_a_mistake_stops_the_sweep_before_any_job(
    sweep: Sweep, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = sweep(QUADRATIC, FORGATHER, *words, expect=2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("run.json"))


def test_jobs_cut_short_are_in_the_results(sweep: Sweep, saved: Saved) -> None:
    words = ("+main._target_=signal.raise_signal", "+main._partial_=true")
    done = sweep(FORGATHER, *words, "+main._args_=[0],[2],[17]", expect=130)
    assert [job["status"] for job in saved()["jobs"]] == ["finished", "interrupted", "not run"]
    assert "interrupted" in done.stderr


def test_from_python_all_returns_are_at_hand(tmp_path: Path, jobs_need_no_torch: None) -> None:
    main = "+main={_target_: math.sqrt, _partial_: true, _args_: [4]}"
    words = (f"hydra.sweep.dir={tmp_path}", FORGATHER, "main._args_.0=4,-1")
    with pytest.raises(Exception, match="1 of 2 jobs failed") as caught:
        fg.launch(main, *words, multirun=True)
    first, second = caught.value.returns[0]
    assert first.return_value == 2.0
    with pytest.raises(ValueError, match="math domain error"):
        _ = second.return_value


def test_finished_jobs_are_skipped_on_resume(sweep: Sweep, saved: Saved, tmp_path: Path) -> None:
    words = ("+experiment=crashing", FORGATHER, "lr=1,2,3,4,5", "resume=auto")
    assert sweep(*words, expect=None).returncode == -9
    assert (tmp_path / "calls.txt").read_text().split() == ["1", "2", "3"]
    sweep(*words)
    assert (tmp_path / "calls.txt").read_text().split() == ["1", "2", "3", "4", "5"]
    assert {job["status"] for job in saved()["jobs"]} == {"finished"}


def test_any_hydra_application_can_use_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import hydra\n"
        "@hydra.main(version_base=None)\n"
        "def main(cfg):\n"
        "    return 1 / cfg.x\n"
        "main()\n"
    )
    words = ("-m", FORGATHER, "hydra.sweep.dir=out", "+x=0,1,2")
    done = subprocess.run(
        [sys.executable, "app.py", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "best: job 2, result 0.5: +x=2" in done.stdout
    assert "ZeroDivisionError" in done.stdout


@pytest.mark.parametrize(
    ("words", "plugins"),
    [
        ((), ["forgather", "forgather_local"]),
        (("+sweep=lr_search",), ["forgather_optuna", "forgather_local"]),
        (("cluster=slurm", "hydra/sweeper=basic"), ["basic", "forgather_slurm"]),
    ],
)
def test_our_plugins_are_used_where_nothing_chooses_others(
    words: tuple[str, ...], plugins: list[str]
) -> None:
    from hydra import compose, initialize_config_dir

    from forgather_hydra.config.command_line import command_line
    from forgather_hydra.paths import conf_dir

    with command_line(), initialize_config_dir(str(conf_dir()), version_base=None):
        choices = compose("config", list(words), return_hydra_config=True).hydra.runtime.choices
    assert [choices[group] for group in ("hydra/sweeper", "hydra/launcher")] == plugins
