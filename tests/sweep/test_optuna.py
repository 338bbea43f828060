"""``hydra/sweeper=forgather_optuna``: the search space, and studies that end, fail and go on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from forgather_hydra.errors import ForgatherError
from forgather_hydra.sweep.space import search_space
from forgather_hydra.sweep.study import Study

Sweep = Callable[..., "subprocess.CompletedProcess[str]"]
Saved = Callable[[], dict[str, Any]]
OPTUNA = "hydra/sweeper=forgather_optuna"
QUADRATIC = "+experiment=quadratic"


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("interval(0,1)", FloatDistribution(0, 1)),
        ("tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("tag(int,interval(1,8))", IntDistribution(1, 8)),
        ("tag(int,log,interval(1,8))", IntDistribution(1, 8, log=True)),
        ("range(1,10,3)", IntDistribution(1, 7, step=3)),
        ("tag(log,range(1,9))", IntDistribution(1, 8, log=True)),
        ("range(0,1,0.25)", FloatDistribution(0, 0.75, step=0.25)),
        ("choice(small,large)", CategoricalDistribution(("small", "large"))),
        ("1e-3,null,true", CategoricalDistribution((1e-3, None, True))),
        ("[1,2],[3]", CategoricalDistribution(("[1,2]", "[3]"))),
    ],
)
def test_distributions(text: str, distribution: Any) -> None:
    for params, arguments in [({"+x": text}, []), ({}, [f"+x={text}"])]:
        space = search_space(params, arguments, OverridesParser.create())
        assert space.distributions == {"x": distribution}


def test_samples_become_overrides() -> None:
    params = {"model": ["tiny", "two words"], "betas": [[0.9, 0.95], [0.9, 0.99]], "lr": [5]}
    space = search_space(params, ["seed=1", "lr=interval(0,1)"], OverridesParser.create())
    drawn = {"model": "two words", "betas": "[0.9,0.99]", "lr": 1e-05}
    assert space.overrides(drawn) == ["seed=1", "model='two words'", "betas=[0.9,0.99]", "lr=1e-05"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["x=1"], "nothing to search"),
        (["x=tag(logg,interval(0,1))"], "unknown tag logg"),
        (["x=tag(log,interval(0,1))"], "x=tag"),
        (["x=range(3,3)"], "the range is empty"),
        (["x=1,2", "+x=3"], "set 'x' twice"),
    ],
)
def test_mistakes_in_the_space(arguments: list[str], told: str) -> None:
    with pytest.raises(ForgatherError, match=told):
        search_space({}, arguments, OverridesParser.create())


def test_a_search_ends_and_goes_on(sweep: Sweep, saved: Saved, tmp_path: Path) -> None:
    words = (QUADRATIC, OPTUNA, "optimizer.lr=interval(0,6)", "batch=1,2", "hydra.sweeper.n_jobs=4")
    done = sweep(*words, "hydra.sweeper.n_trials=6", expect=1)
    first = saved()
    values = [job["value"] for job in first["jobs"]]
    assert len(values) == 6
    assert f"best: job {values.index(min(v for v in values if v))}, eval_loss" in done.stdout
    failed = [job for job in first["jobs"] if job["status"] == "failed"]
    assert failed
    assert all("the loss diverges" in job["error"] for job in failed)

    done = sweep(*words, "hydra.sweeper.n_trials=7", expect=None)
    assert "of the study ran with" not in done.stdout
    assert done.stdout.count("\t#") == 1 + len(failed)
    assert saved()["jobs"][:6] == first["jobs"]
    jobs = {str(number) for number in range(7 + len(failed))}
    assert {path.name for path in tmp_path.glob("out/*/")} == jobs


def test_an_interrupted_study_ends_as_if_it_had_not_been(
    sweep: Sweep, saved: Saved, tmp_path: Path
) -> None:
    words = ("+experiment=crashing", OPTUNA, "lr=interval(0,1)", "hydra.sweeper.n_jobs=2")
    words = (*words, "hydra.sweeper.n_trials=6")
    assert sweep(*words, expect=None).returncode == -9
    sweep(*words)
    calls = (tmp_path / "calls.txt").read_text().split()
    sweep(*words, "hydra.sweep.dir=whole")
    whole = (tmp_path / "calls.txt").read_text().split()[len(calls) :]
    assert len(whole) == 6
    assert calls == whole
    assert [job["overrides"][1] for job in saved()["jobs"]] == [f"lr={lr}" for lr in calls]
    assert "Launching" not in sweep(*words).stdout


def test_a_study_of_jobs_that_shared_something_else_is_told(sweep: Sweep) -> None:
    words = (QUADRATIC, OPTUNA, "optimizer.lr=interval(0,6)", "hydra.sweeper.sampler.seed=1")
    sweep(*words, "batch=1", "hydra.sweeper.n_trials=1")
    done = sweep(*words, "batch=2", "hydra.sweeper.n_trials=2", expect=None)
    told = " ".join(done.stdout.split())
    assert "trial 0 of the study ran with +experiment=quadratic batch=1 optimizer.lr=" in told
    assert "new ones run with +experiment=quadratic batch=2 besides" in told


def test_a_study_about_something_else_is_not_continued(sweep: Sweep) -> None:
    words = (QUADRATIC, OPTUNA, "hydra.sweeper.n_trials=1")
    sweep(*words, "batch=1,2")
    done = sweep(*words, "batch=1,3", "hydra.sweeper.n_trials=2", expect=2)
    assert "another hydra.sweep.dir" in done.stderr
    assert "Traceback" not in done.stderr
    done = sweep(*words, "batch=1,2", "hydra.sweeper.direction=maximize", expect=2)
    assert "opposite direction" in done.stderr


def test_a_job_without_the_metric_is_a_failed_trial(sweep: Sweep, saved: Saved) -> None:
    words = ("+main._target_=builtins.dict", "+main._partial_=true", "+main.x=1,2")
    done = sweep(OPTUNA, *words, "hydra.sweeper.n_trials=1", expect=1)
    assert "its result has no 'eval_loss'; it has x" in done.stderr
    assert {job["status"] for job in saved()["jobs"]} == {"failed"}


def test_the_storage_is_optunas_own(sweep: Sweep, tmp_path: Path) -> None:
    words = ("hydra.sweeper.storage=sqlite:///mine.db", "hydra.sweeper.study_name=mine")
    sweep(QUADRATIC, OPTUNA, "batch=2,1", "hydra.sweeper.n_trials=2", *words)
    study = optuna.load_study(study_name="mine", storage=f"sqlite:///{tmp_path}/mine.db")
    assert [trial.value for trial in study.trials] == [
        4.0 + t.params["batch"] for t in study.trials
    ]


def test_a_sweep_looks_after_its_own_trials_alone(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    sampler = {"_target_": "optuna.samplers.RandomSampler", "seed": 1}
    mine, other = (
        Study(storage, "s", "minimize", sampler, tmp_path / name) for name in ("mine", "other")
    )
    started = [study.ask({"x": FloatDistribution(0, 1)}).number for study in (mine, other)]
    assert [[t.number for t in study.left_behind()] for study in (mine, other)] == [
        [number] for number in started
    ]
