"""What a command line leaves half said, or too late: the launcher, the sweeper, and ``-m``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs import choice

CLUSTER = """\
# @package _global_
defaults:
  - override /cluster: slurm
x: 1
hydra: {{launcher: {{{options}}}}}
"""
MAIN = "+main={_target_: builtins.dict, _partial_: true, eval_loss: 1}"


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: Any) -> Any:
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> str:
        for name, text in files.items():
            path = tmp_path / "mine/choice" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return f"hydra.searchpath=[file://{tmp_path / 'mine'}]"

    return write


def test_a_cluster_that_all_jobs_choose_is_used(conf: Any, capsys: Any) -> None:
    here = conf(
        a=CLUSTER.format(options="partition: p1"), b=CLUSTER.format(options="partition: p2")
    )
    fg.launch(here, MAIN, "+choice=a,b", "hydra.launcher.dry_run=true", multirun=True)
    plan = capsys.readouterr().out
    assert "#SBATCH --partition=p1" in plan
    assert "#SBATCH --partition=p2" in plan


@pytest.mark.parametrize(
    ("other", "part"),
    [
        ("# @package _global_\nx: 1\n", "different launchers: forgather_slurm"),
        (CLUSTER.format(options="poll_s: 3"), "poll_s is 10 for one job"),
        ("# @package _global_\ndefaults: [override /hydra/launcher: joblib]\n", "different"),
    ],
)
def test_jobs_that_choose_different_things(conf: Any, other: str, part: str) -> None:
    here = conf(a=CLUSTER.format(options="partition: p1"), b=other)
    with pytest.raises(ForgatherError, match=part) as caught:
        fg.launch(here, MAIN, "+choice=a,b", multirun=True)
    assert "on the command line" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "# @package _global_\ndefaults: [override /hydra/launcher: joblib]\n",
        "# @package _global_\nhydra: {sweeper: {max_batch_size: 1}}\n",
        "# @package _global_\ndefaults: [override /hydra/sweeper: forgather_optuna]\n",
    ],
)
def test_what_it_is_too_late_to_choose(conf: Any, text: str) -> None:
    with pytest.raises(ForgatherError, match="before it composes its jobs"):
        fg.launch(conf(a=text, b=text), MAIN, "+choice=a,b", multirun=True)


@pytest.mark.parametrize(
    "word",
    [
        "+sweep=lr_search", "hydra/sweeper=forgather_optuna", "hydra.sweep.dir=out",
        "hydra.sweeper.grid={x: [1, 2]}",
    ],
)  # fmt: skip
def test_a_sweep_without_m(word: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ForgatherError, match="without -m") as caught:
        fg.launch("+experiment=stories", word)
    assert "add -m" in str(caught.value)
    assert not [*tmp_path.iterdir()]


def test_a_file_that_may_be_for_single_runs_as_well(conf: Any, capsys: Any) -> None:
    here = conf(a="# @package _global_\nhydra: {sweeper: {grid: {x: [1, 2]}}}\n")
    fg.launch(here, MAIN, "+choice=a", "hydra.run.dir=r")
    assert "without -m this is one run" in capsys.readouterr().err


def test_options_that_hold_for_a_sweep_are_options() -> None:
    from forgather_hydra.jobs.options import LocalOptions, SlurmOptions

    assert {*LocalOptions.__annotations__, *SlurmOptions.__annotations__} >= choice._OF_ALL
