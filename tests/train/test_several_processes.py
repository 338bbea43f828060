"""Predictions, metrics and optimizers in two and three processes, against one."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accel_run import StopAt, make, seen
from client_processes import in_processes
from toys import Rows

from forgather_hydra.train import AccelTrainer, Trainer
from forgather_hydra.train.optim.parameter_groups import multiple

# Rows to predict, in batches of 2: of three processes, none to two have nothing in the last ones.
ROWS = (1, 2, 3, 5, 7, 12)
KINDS = {"copied": {}, "sharded": {"sharded": True}}


def counted(prediction) -> dict[str, float]:
    """Metrics that depend on each row, and on their order."""
    scores = prediction.predictions[..., 0].mean(axis=1)
    order = np.arange(1, len(scores) + 1)
    return {"rows": len(scores), "ordered": float((scores * order).sum())}


def predictions(kind: type[Trainer], directory: Path, **options: Any) -> dict[str, Any]:
    """Of each number of rows: what `predict` gives, and what `evaluate` finds in training."""
    trainer = make(kind, directory, max_steps=2, eval_on_start=False, **options)
    trainer.compute_metrics = counted
    trainer.eval_dataset = Rows(5, seed=3, masked=True)
    trainer.train()
    found: dict[str, Any] = {"evaluated": trainer.evaluate()}
    for number in ROWS:
        logits, labels, metrics = trainer.predict(Rows(number, seed=2, masked=True))
        found[str(number)] = {
            "logits": logits.tolist(), "labels": labels.tolist(), "metrics": metrics,
        }  # fmt: skip
    return found


def predict_all(rank: int, directory: Path) -> None:
    found = {
        name: predictions(AccelTrainer, directory / name, **special)
        for name, special in KINDS.items()
    }
    (directory / f"{rank}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module", params=[2, 3])
def predicted(request, tmp_path_factory) -> list[dict[str, Any]]:
    """What each process of so many has."""
    directory = tmp_path_factory.mktemp(f"predicted-{request.param}")
    in_processes(request.param, predict_all, directory)
    return [json.loads((directory / f"{rank}.json").read_text()) for rank in range(request.param)]


@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_rows_is_predicted_as_by_one_process(predicted, tmp_path, kind) -> None:
    batch = {"per_device_train_batch_size": 3 * len(predicted)}
    expected = predictions(Trainer, tmp_path, **batch)
    for process in predicted:
        found = process[kind]
        assert found["evaluated"] == pytest.approx(expected["evaluated"], abs=1e-5)
        for number in map(str, ROWS):
            np.testing.assert_allclose(
                found[number]["logits"], expected[number]["logits"], atol=1e-5
            )
            assert found[number]["labels"] == expected[number]["labels"]
            assert found[number]["metrics"] == pytest.approx(expected[number]["metrics"], abs=1e-5)
            assert found[number]["metrics"]["test_rows"] == int(number)


MUON = partial(
    multiple,
    rules=[
        {"pattern": "mix.weight", "optimizer": partial(torch.optim.Muon, lr=0.02)},
        {"pattern": ".", "optimizer": partial(torch.optim.AdamW, lr=0.01)},
    ],
)
MUON_RUN: dict[str, Any] = {"optimizer": MUON, "masked": True}


def train_muon(rank: int, directory: Path) -> None:
    options = {**MUON_RUN, "sharded": True, "per_device_train_batch_size": 3}
    whole = make(AccelTrainer, directory / "whole", **options)
    whole.train()
    make(AccelTrainer, directory / "part", **options, callbacks=[StopAt(4)]).train()
    resumed = make(AccelTrainer, directory / "part", **options)
    resumed.train(resume_from_checkpoint=True)
    found = {"whole": seen(whole), "resumed": seen(resumed)}
    (directory / f"{rank}.json").write_text(json.dumps(found))


def test_muon_of_a_divided_model_works_on_whole_matrices(tmp_path: Path) -> None:
    """To the rounding of bfloat16, in which it computes; and resumes to the bit."""
    in_processes(2, train_muon, tmp_path)
    expected = make(Trainer, tmp_path / "one", **MUON_RUN, per_device_train_batch_size=6)
    expected.train()
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found["whole"]["losses"] == pytest.approx(seen(expected)["losses"], abs=2e-4)
        for key in ("losses", "weights", "norms"):
            assert found["resumed"][key] == found["whole"][key]
