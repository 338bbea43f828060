"""A trainer of a toy model, made anew for each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from forgather_hydra.train import Trainer, TrainingArguments


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def make_trainer(tmp_path: Any) -> Callable[..., Trainer]:
    """Makes a trainer of a toy model: `make_trainer(train_dataset=..., max_steps=4)`."""
    import toys

    parts = {
        "model",
        "model_init",
        "train_dataset",
        "eval_dataset",
        "data_collator",
        "callbacks",
        "optimizer_factory",
        "lr_scheduler_factory",
        "compute_loss_func",
        "compute_metrics",
        "optimizer_cls_and_kwargs",
        "preprocess_logits_for_metrics",
        "processing_class",
    }

    def make(**options: Any) -> Trainer:
        given = {name: options.pop(name) for name in list(options) if name in parts}
        given.setdefault("train_dataset", toys.Rows(24))
        given.setdefault("callbacks", [])
        if "model" not in given:
            given.setdefault("model_init", toys.ToyModel)
        defaults = {
            "output_dir": tmp_path / "run",
            "use_cpu": True,
            "per_device_train_batch_size": 4,
            "logging_steps": 1,
            "save_strategy": "no",
        }
        if not given.keys() & {"optimizer_factory", "optimizer_cls_and_kwargs"}:
            defaults["learning_rate"] = 1e-2
        return Trainer(TrainingArguments(**defaults | options), **given)

    return make
