"""The table at the end of a job tells where its files are, as a user would type them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from forgather_hydra.train.callbacks.report import print_report

METRICS = {
    "train_runtime": 61.0,
    "global_step": 1800,
    "epoch": 0.31,
    "parameters": 1_059_968,
    "train_tokens_per_second": 8484.2,
    "initial_eval_loss": 7.6186,
    "eval_loss": 3.9995,
}


def printed(output_dir: Path) -> list[str]:
    text = StringIO()
    print_report(output_dir, METRICS, output_dir / "model", Console(file=text, width=80))
    return text.getvalue().splitlines()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "outputs" / "run"
    (directory / "model").mkdir(parents=True)
    (directory / "metrics.jsonl").touch()
    return directory


def test_places_are_seen_from_the_working_directory(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "metrics     outputs/run/metrics.jsonl" in printed(run)
    assert "model       outputs/run/model" in printed(run)
    assert not any(line.startswith(("checkpoints", "tensorboard")) for line in printed(run))
    monkeypatch.chdir(run / "model")
    assert f"metrics     {run}/metrics.jsonl" in printed(run)


def test_what_the_run_reached(run: Path) -> None:
    lines = printed(run)
    assert "speed       8,484 tokens/s" in lines
    assert "time        1 min 1 s of training" in lines
    row = next(line for line in lines if "evaluation loss" in line)
    assert row.split("│")[2:4] == ["  7.6186 ", " 3.9995 "]
