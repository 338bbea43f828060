"""A search that stops real training early, and the callback that does it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from tiny_runs import TINY

from forgather_hydra.train import PruningCallback, TrainerControl, TrainerState

Sweep = Callable[..., "subprocess.CompletedProcess[str]"]
Saved = Callable[[], dict[str, Any]]


def losses(job: Path) -> list[float]:
    records = [json.loads(line) for line in (job / "metrics.jsonl").read_text().splitlines()]
    return [r["eval_loss"] for r in records if "eval_loss" in r and "final" not in r]


def test_trials_without_promise_are_stopped(sweep: Sweep, saved: Saved, tmp_path: Path) -> None:
    done = sweep(
        *[word for word in TINY if "eval_steps" not in word],
        "trainer.args.eval_steps=3",
        "trainer.args.max_eval_steps=1",
        "hydra/sweeper=forgather_optuna",
        "hydra.sweeper.params={optimizer.lr:[1e-7,2e-2]}",
        "hydra.sweeper.sampler.seed=41",  # draws the small learning rate first, then the large one
        "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:6.1,n_warmup_steps:5}",
        "hydra.sweeper.n_trials=2",
    )
    jobs = {job["overrides"][-1]: job for job in saved()["jobs"]}
    hopeless, good = jobs["optimizer.lr=1e-07"], jobs["optimizer.lr=0.02"]
    assert [hopeless["status"], good["status"]] == ["pruned", "finished"]
    assert saved()["best"]["number"] == good["number"]
    assert f"best: job {good['number']}" in done.stdout

    pruned = tmp_path / "out" / hopeless["directory"]
    assert len(losses(pruned)) == 3  # at steps 0, 3 and 6 of 12
    assert len(losses(tmp_path / "out" / good["directory"])) == 5
    assert json.loads((pruned / "run.json").read_text())["status"] == "finished"
    assert not list(pruned.glob("checkpoints/checkpoint-6"))

    (study,) = optuna.get_all_study_summaries(f"sqlite:///{tmp_path}/out/study.db")
    trials = optuna.load_study(
        study_name=study.study_name, storage=f"sqlite:///{tmp_path}/out/study.db"
    ).trials
    trial = trials[hopeless["number"]]
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [3, 6]
    assert trial.intermediate_values[6] == pytest.approx(losses(pruned)[-1])


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="s")


def callback(tmp_path: Path, upper: float = 1.0) -> PruningCallback:
    pruner = optuna.pruners.ThresholdPruner(upper=upper)
    return PruningCallback(f"sqlite:///{tmp_path}/study.db", "s", 0, pruner)


def evaluate(pruning: PruningCallback, step: int, **metrics: float) -> TrainerControl:
    control = TrainerControl()
    state = TrainerState(global_step=step, max_steps=10)
    pruning.on_evaluate(None, state, control, metrics)  # type: ignore[arg-type]
    return control


def test_reports_and_stops(study: optuna.Study, tmp_path: Path) -> None:
    study.ask()
    pruning = callback(tmp_path)
    assert not evaluate(pruning, 0, eval_loss=9.0).should_training_stop
    assert not evaluate(pruning, 1, eval_loss=0.5).should_training_stop
    assert evaluate(pruning, 2, eval_loss=2.0).should_training_stop
    assert study.trials[0].intermediate_values == {1: 0.5, 2: 2.0}
    assert study.trials[0].user_attrs == {"pruned_at": 2}


def test_a_step_is_reported_once(study: optuna.Study, tmp_path: Path) -> None:
    study.ask()
    evaluate(callback(tmp_path), 1, eval_loss=0.5)
    evaluate(callback(tmp_path), 1, eval_loss=0.7)
    assert study.trials[0].intermediate_values == {1: 0.5}


def test_the_last_step_is_not_worth_stopping(study: optuna.Study, tmp_path: Path) -> None:
    study.ask()
    assert not evaluate(callback(tmp_path), 10, eval_loss=2.0).should_training_stop


def test_a_repeated_job_of_an_ended_trial_reports_nothing(
    study: optuna.Study, tmp_path: Path
) -> None:
    study.tell(study.ask(), 0.5)
    assert not evaluate(callback(tmp_path), 1, eval_loss=2.0).should_training_stop
    assert study.trials[0].intermediate_values == {}


def test_a_job_whose_study_is_gone_runs_and_makes_none(tmp_path: Path) -> None:
    assert not evaluate(callback(tmp_path), 1, eval_loss=2.0).should_training_stop
    assert not list(tmp_path.iterdir())


def test_another_metric_than_the_evaluations(study: optuna.Study, tmp_path: Path) -> None:
    study.ask()
    with pytest.raises(ValueError, match="pruning watches 'eval_loss': give one of accuracy"):
        evaluate(callback(tmp_path), 1, accuracy=2.0)
