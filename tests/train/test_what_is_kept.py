"""Which weights a run keeps: the best, those to evaluate, none that are not finite."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch.optim import SGD
from toys import Rows, ToyModel, losses

from forgather_hydra.train import MultiOptimizer, TrainerCallback

NAN = float("nan")
BEST = {
    "load_best_model_at_end": True,
    "eval_strategy": "steps",
    "eval_steps": 2,
    "save_strategy": "steps",
}


def kept(make_trainer, values: list[float], save_steps: int = 2, **options) -> list[int]:
    """The steps whose checkpoints have the weights that a run ends with, whose evaluations every 2
    steps have these values.
    """
    given = iter(values)
    trainer = make_trainer(
        **BEST, save_steps=save_steps, save_total_limit=None, metric_for_best_model="x_loss",
        max_steps=2 * len(values), eval_dataset=Rows(4),
        compute_metrics=lambda _: {"x_loss": next(given)}, **options,
    )  # fmt: skip
    trainer.train()
    mine, root = trainer.model.embedding.weight, trainer.args.checkpoint_dir
    weights = {p.parent.name: load_file(p) for p in root.glob("checkpoint-*/model.safetensors")}
    same = [name for name, found in weights.items() if torch.equal(found["embedding.weight"], mine)]
    return [int(name.removeprefix("checkpoint-")) for name in same]


@pytest.mark.parametrize(
    ("values", "save_steps", "best"),
    [
        ([1.0, 1.5, 1.4, 1.3, 1.9, 2.0], 4, 8),  # the best evaluation was not saved
        ([NAN, 0.9, 0.5, 0.8], 2, 6),
        ([0.9, NAN, NAN, NAN], 2, 2),
        ([0.9, 0.9, 1.0], 2, 2),  # the first of equals
        ([NAN, NAN], 2, 4),  # none is the best: the last weights
    ],
)
def test_the_best_of_what_is_saved_is_loaded(make_trainer, values, save_steps, best) -> None:
    assert kept(make_trainer, values, save_steps) == [best]


class StopAtSix(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs) -> None:
        control.should_training_stop |= state.global_step == 6


def test_the_checkpoint_of_an_early_end_is_compared_too(make_trainer) -> None:
    assert kept(make_trainer, [0.9, 0.8, 0.5, 0.1], 4, callbacks=[StopAtSix()]) == [6]


class RemoveBest(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == 6:
            shutil.rmtree(state.best_model_checkpoint)


def test_a_best_checkpoint_that_is_gone_is_told(make_trainer, caplog) -> None:
    values = [0.5, 0.9, 0.9]
    assert kept(make_trainer, values, callbacks=[RemoveBest()]) == [6]
    assert "checkpoint-2 cannot be loaded (manifest.json is missing)" in caplog.text


class BrokenAt(ToyModel):
    """Its loss is finite and its gradient is not, in one step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step, self.steps = step, 0

    def forward(self, input_ids, labels):
        loss, logits = super().forward(input_ids, labels)
        self.steps += self.training
        bad = self.training and self.steps == self.step
        return loss + ((logits.pow(2).sum() * 0.0).sqrt() if bad else 0.0), logits


def test_weights_that_are_not_finite_are_not_saved(make_trainer) -> None:
    trainer = make_trainer(
        model_init=lambda: BrokenAt(4), max_steps=8, save_strategy="steps", save_steps=2,
        logging_steps=8, save_total_limit=None,
    )  # fmt: skip
    with pytest.raises(FloatingPointError, match="after step 4, and are not saved") as caught:
        trainer.train()
    saved = trainer.args.checkpoint_dir
    assert [path.name for path in saved.iterdir()] == ["checkpoint-2"]
    assert caught.value.__notes__[-1].endswith(
        "the newest checkpoint is " + str(saved / "checkpoint-2") + "."
    )


def test_a_model_that_is_not_finite_is_not_exported(make_trainer, tmp_path) -> None:
    trainer = make_trainer(model_init=lambda: BrokenAt(2), max_steps=2, logging_strategy="no")
    trainer.train()
    with pytest.raises(FloatingPointError, match="not saved"):
        trainer.save_model(tmp_path / "model")
    assert not (tmp_path / "model").exists()


class Averaging(SGD):
    """Trains other weights than those it shows, as the schedule-free ones do."""

    def __init__(self, params, lr: float) -> None:
        super().__init__(params, lr=lr)
        for group in self.param_groups:
            group["trains"] = False

    def _switch(self, trains: bool) -> None:
        for group in self.param_groups:
            if group["trains"] != trains:
                group["trains"] = trains
                for parameter in group["params"]:
                    parameter.data.add_(1.0 if trains else -1.0)

    def train(self) -> None:
        self._switch(True)

    def eval(self) -> None:
        self._switch(False)

    def step(self, closure=None) -> None:
        assert all(group["trains"] for group in self.param_groups)
        super().step(closure)


@pytest.mark.parametrize(
    "factory",
    [
        lambda named: Averaging([p for _, p in named], lr=0.1),
        lambda named: MultiOptimizer([Averaging([p for _, p in named], lr=0.1)]),
    ],
)
def test_weights_to_evaluate_are_evaluated_saved_and_resumed(make_trainer, factory) -> None:
    seen = []

    class Look(TrainerCallback):
        def on_evaluate(self, args, state, control, model, **kwargs) -> None:
            seen.append(float(model.embedding.weight.mean()))

    options = {
        "optimizer_factory": factory, "max_steps": 6, "eval_strategy": "steps", "eval_steps": 3,
        "save_strategy": "steps", "save_steps": 2, "eval_dataset": Rows(4), "callbacks": [Look()],
        "save_total_limit": None,
    }  # fmt: skip
    whole = make_trainer(**options)
    whole.train()
    assert max(map(abs, seen)) < 0.5  # those that train are 1 higher
    for step in (2, 6):
        saved = load_file(whole.args.checkpoint_dir / f"checkpoint-{step}/model.safetensors")
        assert abs(float(saved["embedding.weight"].mean())) < 0.5
    again = make_trainer(**options)
    again.train(resume_from_checkpoint=whole.args.checkpoint_dir / "checkpoint-2")
    assert torch.equal(again.model.embedding.weight, whole.model.embedding.weight)
    assert losses(again) == losses(whole)


class LeavesEval(TrainerCallback):
    def on_step_end(self, args, state, control, model, **kwargs) -> None:
        if state.global_step == 2:
            model.eval()
            model.dropout.eval()


def test_every_step_trains_whatever_a_callback_leaves_behind(make_trainer) -> None:
    modes = []

    class Seen(ToyModel):
        def forward(self, input_ids, labels):
            modes.append(self.training and self.dropout.training)
            return super().forward(input_ids, labels)

    make_trainer(model_init=Seen, callbacks=[LeavesEval()], max_steps=4).train()
    assert modes == [True] * 4
