"""Evaluation numbers and when evaluations happen."""

from __future__ import annotations

import math

import pytest
import torch
from toys import VOCABULARY, Rows, ToyModel


def direct_loss(model: ToyModel, data: Rows) -> float:
    """Mean over all targets of the set, in one pass."""
    model.eval()
    _, logits = model(data.ids, data.labels)
    per_token = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, VOCABULARY), data.labels[:, 1:].reshape(-1), reduction="none"
    )
    return (per_token.sum() / (data.labels[:, 1:] != -100).sum()).item()


def test_loss_is_the_mean_over_tokens_not_over_batches(make_trainer) -> None:
    model, data = ToyModel(dropout=0.5), Rows(11, masked=True)
    trainer = make_trainer(model=model, eval_dataset=data, per_device_eval_batch_size=3)
    metrics = trainer.evaluate()
    expected = direct_loss(model, data)
    assert metrics["eval_loss"] == pytest.approx(expected, rel=1e-5)
    assert metrics["eval_perplexity"] == pytest.approx(math.exp(expected), rel=1e-5)


class Skipping(ToyModel):
    """A model that can leave out its logits, and remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[bool, bool | None]] = []

    def forward(self, input_ids, labels=None, skip_logits=None, **inputs):
        self.told.append((self.training, skip_logits))
        loss, logits = super().forward(input_ids, labels, **inputs)
        return loss, None if skip_logits else logits


def test_logits_that_nobody_looks_at_are_not_computed(make_trainer) -> None:
    model = Skipping()
    trainer = make_trainer(model=model, eval_dataset=Rows(4), max_steps=1)
    trainer.train()
    trainer.evaluate()
    assert set(model.told) == {(True, None), (False, True)}
    assert trainer.predict(Rows(4)).predictions.shape[-1] == VOCABULARY
    assert model.told[-1] == (False, None)


def test_training_on_few_targets_asks_for_their_logits_alone(make_trainer) -> None:
    model = Skipping()
    rows = [{**row, "labels": row["input_ids"].clone()} for row in Rows(8)]
    for row in rows:
        row["labels"][: len(row["labels"]) // 2] = -100
    make_trainer(model=model, train_dataset=rows, max_steps=1).train()
    assert model.told == [(True, True)]


def test_accumulation_and_batch_size_do_not_matter(make_trainer) -> None:
    values = [
        make_trainer(eval_dataset=Rows(11), **options).evaluate()["eval_loss"]
        for options in (
            {"gradient_accumulation_steps": 4, "per_device_eval_batch_size": 2},
            {"per_device_eval_batch_size": 11},
        )
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_a_limit_on_batches_is_respected(make_trainer) -> None:
    data = Rows(20)
    make_trainer(eval_dataset=data, per_device_eval_batch_size=3, max_eval_steps=2).evaluate()
    assert data.fetched[:6] == [0, 1, 2, 3, 4, 5]
    assert len(data.fetched) == 6


def test_training_mode_is_given_back(make_trainer) -> None:
    trainer = make_trainer(model=ToyModel().train(), eval_dataset=Rows(4))
    trainer.evaluate()
    assert trainer.model.training


def test_no_evaluation_set_is_no_error(make_trainer) -> None:
    trainer = make_trainer(max_steps=3, eval_strategy="steps", eval_steps=1, eval_on_start=True)
    assert trainer.evaluate() == {}
    assert trainer.train().global_step == 3


def test_an_empty_evaluation_set_is_explained(make_trainer) -> None:
    with pytest.raises(ValueError, match="evaluation set is empty"):
        make_trainer(eval_dataset=Rows(0)).evaluate()


def evaluated_steps(trainer) -> list[int]:
    return [record["step"] for record in trainer.state.log_history if "eval_loss" in record]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"eval_strategy": "steps", "eval_steps": 4}, [4, 8, 10]),
        ({"eval_strategy": "steps", "eval_steps": 5}, [5, 10]),
        ({"eval_strategy": "steps", "eval_steps": 2, "eval_delay": 6}, [6, 8, 10]),
        ({"eval_strategy": "epoch"}, [6, 10]),
        ({"eval_strategy": "epoch", "gradient_accumulation_steps": 4}, [2, 4, 6, 8, 10]),
        (
            {"eval_strategy": "epoch", "gradient_accumulation_steps": 4, "eval_delay": 3},
            [6, 8, 10],
        ),
        ({"eval_strategy": "no", "eval_on_start": True}, [0]),
    ],
)
def test_evaluations_happen_when_asked_for(make_trainer, options, steps) -> None:
    trainer = make_trainer(max_steps=10, eval_dataset=Rows(4), **options)
    trainer.train()
    assert evaluated_steps(trainer) == steps
