"""The moving average of the weights."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from toys import Rows, losses

from forgather_hydra.train import EMACallback, TrainerCallback


class Weights(TrainerCallback):
    """Keeps the weights after every step."""

    def __init__(self) -> None:
        self.seen: list[list[torch.Tensor]] = []

    def on_step_end(self, args, state, control, model, **kwargs) -> None:
        self.seen.append([p.detach().clone() for p in model.parameters()])


def averaged(history, decay: float) -> list[torch.Tensor]:
    average = history[0]
    for step, weights in enumerate(history, 1):
        share = 1 - min(decay, (1 + step) / (10 + step))
        average = [a + share * (w - a) for a, w in zip(average, weights, strict=True)]
    return average


OPTIMIZERS = [None, partial(torch.optim.SGD, lr=0.1), partial(torch.optim.Adafactor, lr=0.02)]


@pytest.mark.parametrize("factory", OPTIMIZERS)
def test_the_average_is_what_its_definition_says_and_stays(make_trainer, factory) -> None:
    weights = Weights()
    plain = make_trainer(max_steps=9, optimizer_factory=factory, callbacks=[weights])
    trainer = make_trainer(max_steps=9, optimizer_factory=factory, callbacks=[EMACallback(0.6)])
    plain.train()
    trainer.train()
    assert losses(trainer) == losses(plain)
    expected = averaged(weights.seen, 0.6)
    for ours, theirs in zip(trainer.model.parameters(), expected, strict=True):
        torch.testing.assert_close(ours.detach(), theirs)


def test_it_is_evaluated_saved_and_resumed_and_does_not_change_training(make_trainer) -> None:
    def trainer(name: str, steps: int, *callbacks):
        made = make_trainer(
            max_steps=steps, eval_dataset=Rows(4), eval_strategy="steps", eval_steps=2,
            save_strategy="steps", save_steps=3, callbacks=callbacks, lr_scheduler_type="constant",
        )  # fmt: skip
        made.args.output_dir += name
        return made

    def evaluations(trainer) -> list[float]:
        return [r["eval_loss"] for r in trainer.state.log_history if "eval_loss" in r]

    plain, whole = trainer("p", 8), trainer("w", 8, EMACallback(0.5))
    plain.train()
    whole.train()
    assert losses(whole) == losses(plain)
    assert evaluations(whole) != evaluations(plain)
    assert whole.evaluate()["eval_loss"] == evaluations(whole)[-2]

    trainer("r", 3, EMACallback(0.5)).train()
    resumed = trainer("r", 8, EMACallback(0.5))
    resumed.train(resume_from_checkpoint=True)
    assert losses(resumed) == losses(whole)
    assert evaluations(resumed)[-1] == evaluations(whole)[-2]
    pairs = zip(resumed.model.parameters(), whole.model.parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_bf16_weights_have_an_average_in_fp32(make_trainer) -> None:
    trainer = make_trainer(max_steps=4, default_dtype="bfloat16", callbacks=[EMACallback()])
    trainer.train()
    assert {s["ema"].dtype for s in trainer.optimizer.state.values()} == {torch.float32}


def test_it_and_the_best_model_exclude_each_other(make_trainer) -> None:
    trainer = make_trainer(
        max_steps=4, eval_dataset=Rows(4), eval_strategy="steps", eval_steps=2,
        save_strategy="steps", save_steps=2, load_best_model_at_end=True, callbacks=[EMACallback()],
    )  # fmt: skip
    with pytest.raises(ValueError, match="evaluate=False"):
        trainer.train()
