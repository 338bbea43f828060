"""Experiment trackers by Hugging Face's own callbacks, unmodified, without a network."""

from __future__ import annotations

import json
import sqlite3
import sys

import pytest
from toys import Rows, losses
from transformers import integrations

from forgather_hydra import paths
from forgather_hydra.train.arguments.names import TRACKERS, advice


@pytest.fixture
def train(make_trainer):
    """Trains four steps with two evaluations under one of Hugging Face's callbacks."""

    def run(callback):
        trainer = make_trainer(
            max_steps=4, eval_dataset=Rows(4), eval_strategy="steps", eval_steps=2,
            run_name="first", callbacks=[callback()],
        )  # fmt: skip
        trainer.train()
        return trainer

    return run


def test_mlflow(train, tmp_path, monkeypatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}/mlruns")
    mlflow.set_tracking_uri(None)
    trainer = train(integrations.MLflowCallback)
    run = mlflow.last_active_run()
    mlflow.flush_async_logging()
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    logged = sorted((point.step, point.value) for point in history)  # written by several threads
    assert logged == list(enumerate(losses(trainer), 1))
    assert (run.info.run_name, run.data.params["max_steps"]) == ("first", "4")


def test_wandb(train, tmp_path, monkeypatch) -> None:
    import wandb

    for name, value in (("MODE", "offline"), ("SILENT", "true"), ("DIR", str(tmp_path))):
        monkeypatch.setenv(f"WANDB_{name}", value)
    trainer = train(integrations.WandbCallback)
    assert wandb.run.name == "first"
    assert wandb.run.summary["train/loss"] == losses(trainer)[-1]
    assert (wandb.config["max_steps"], wandb.config["save_strategy"]) == (4, "no")
    wandb.finish()
    assert len(list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))) == 1


def test_trackio(train, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))  # read when trackio is imported
    for name in [name for name in sys.modules if name.partition(".")[0] == "trackio"]:
        monkeypatch.delitem(sys.modules, name)
    trainer = train(integrations.TrackioCallback)
    with sqlite3.connect(tmp_path / "forgather.db") as database:
        rows = database.execute("select run_name, metrics from metrics order by step").fetchall()
    logged = [json.loads(metrics) for _, metrics in rows]
    assert {name for name, _ in rows} == {"first"}
    assert [r["train/loss"] for r in logged if "train/loss" in r] == losses(trainer)
    assert sum("eval/loss" in record for record in logged) == 2


def test_one_list_of_trackers() -> None:
    options = {file.stem for file in (paths.conf_dir() / "tracker").glob("*.yaml")}
    assert options == {*TRACKERS}
    assert all(name in advice("report_to", []) for name in TRACKERS)
    page = (paths.conf_dir().parent / "docs/reference/trainer.md").read_text()
    rows = [line for line in page.splitlines() if "+tracker=" in line]
    assert all(any(f"`{name}`" in row or f"={name}`" in row for row in rows) for name in TRACKERS)
