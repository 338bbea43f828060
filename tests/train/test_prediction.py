"""Predictions, and metrics of the user's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toys import Rows, losses

from forgather_hydra.train import TrainerCallback


def likeliest(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return logits.argmax(-1)


def accuracy(prediction) -> dict[str, float]:
    hits = prediction.predictions[:, :-1] == prediction.label_ids[:, 1:]
    return {"accuracy": hits.mean()}


def test_predict_returns_logits_labels_and_metrics(make_trainer) -> None:
    seen = []

    class Look(TrainerCallback):
        def on_predict(self, args, state, control, metrics, **kwargs) -> None:
            seen.append(metrics)

    data = Rows(7, masked=True)
    data.labels[3:6] = -100  # a whole batch
    trainer = make_trainer(per_device_eval_batch_size=3, callbacks=[Look()])
    output = trainer.predict(data)
    with torch.no_grad():
        loss, logits = trainer.model(data.ids, data.labels)
    np.testing.assert_allclose(output.predictions, logits.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(output.label_ids, data.labels.numpy())
    assert output.metrics["test_loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert output.metrics["test_perplexity"] == pytest.approx(math.exp(loss.item()), rel=1e-5)
    assert seen == [output.metrics]
    assert trainer.state.log_history == []


def test_own_metrics_choose_the_best_model_and_do_not_change_the_loss(make_trainer) -> None:
    options = {
        "max_steps": 6, "eval_dataset": Rows(7), "eval_strategy": "steps", "eval_steps": 2,
        "save_strategy": "steps", "save_steps": 2,
    }  # fmt: skip
    plain = make_trainer(**options)
    plain.train()
    trainer = make_trainer(
        **options, metric_for_best_model="accuracy", compute_metrics=accuracy,
        preprocess_logits_for_metrics=likeliest,
    )  # fmt: skip
    trainer.train()
    assert losses(trainer) == losses(plain)
    found = [r for r in trainer.state.log_history if "eval_loss" in r]
    assert [r["eval_loss"] for r in found] == [
        r["eval_loss"] for r in plain.state.log_history if "eval_loss" in r
    ]
    assert trainer.state.best_metric == max(r["eval_accuracy"] for r in found)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"name": "x"}, "compute_metrics returned name = 'x', which is no number"),
        ({"each": np.ones(3)}, "compute_metrics returned each = array"),
        (None, "compute_metrics returned None, and has to return"),
    ],
)
def test_metrics_that_are_no_numbers_are_named(make_trainer, returned, message: str) -> None:
    trainer = make_trainer(compute_metrics=lambda prediction: returned, eval_dataset=Rows(4))
    with pytest.raises((TypeError, ValueError), match=message):
        trainer.evaluate()


def test_rows_of_different_length_are_filled_up(make_trainer) -> None:
    class Growing(Rows):
        def __getitem__(self, index: int):
            return {"input_ids": self.ids[index, : 3 + index]}

    output = make_trainer(per_device_eval_batch_size=1).predict(Growing(3))
    assert output.predictions.shape == (3, 5, 13)
    assert output.label_ids[0].tolist()[3:] == [-100, -100]
    assert (output.predictions[0, 3:] == -100).all()


def test_an_optimizer_class_with_its_arguments(make_trainer) -> None:
    trainer = make_trainer(
        max_steps=1, optimizer_cls_and_kwargs=(torch.optim.SGD, {"lr": 0.5, "momentum": 0.9})
    )
    trainer.train()
    assert isinstance(trainer.optimizer, torch.optim.SGD)
    assert trainer.optimizer.defaults["momentum"] == 0.9
    assert trainer.state.log_history[0]["learning_rate"] == 0.5
    with pytest.raises(ValueError, match="the optimizer is given twice"):
        make_trainer(
            optimizer_factory=torch.optim.SGD, optimizer_cls_and_kwargs=(torch.optim.SGD, {})
        )
