"""What a run does that goes on with something changed: batch, rate, length, groups."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from toys import Rows, ToyModel

from forgather_hydra.train import EMACallback, TrainerCallback

SAVED = {"save_strategy": "steps", "save_steps": 1000, "num_train_epochs": 1}


class StopAt(TrainerCallback):
    """Ends the run after a step, with a checkpoint."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step:
            control.should_training_stop = control.should_save = True


class Rates(TrainerCallback):
    """Notes the settings with which each step is taken."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.seen: list[float] = []

    def on_pre_optimizer_step(self, args, state, control, optimizer, **kwargs) -> None:
        self.seen += [optimizer.param_groups[0][name] for name in self.names]


def in_two_parts(make_trainer, stop: int, first: dict, then: dict, *watching) -> tuple:
    """A run that stops after a step, and its continuation with other options."""
    begun = make_trainer(**SAVED | first, callbacks=[StopAt(stop)])
    begun.train()
    trainer = make_trainer(**SAVED | then, callbacks=list(watching))
    trainer.train(resume_from_checkpoint=True)
    return begun, trainer


@pytest.mark.parametrize(
    ("first", "then", "stop", "epochs", "steps"),
    [
        ({"per_device_train_batch_size": 8}, {"per_device_train_batch_size": 16}, 5, 1, 8),
        ({"per_device_train_batch_size": 8}, {"per_device_train_batch_size": 4}, 5, 1, 15),
        ({"per_device_train_batch_size": 8}, {"per_device_train_batch_size": 16}, 5, 2, 13),
        ({"per_device_train_batch_size": 8}, {"per_device_train_batch_size": 16}, 5, 1.5, 11),
        ({"per_device_train_batch_size": 8}, {"per_device_train_batch_size": 8}, 5, 1.5, 15),
        (
            {"per_device_train_batch_size": 16, "group_by_length": True},
            {"per_device_train_batch_size": 8, "group_by_length": True},
            2, 1, 8,
        ),
        (
            {"per_device_train_batch_size": 8},
            {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 5},
            5, 1, 6,
        ),
        ({"per_device_train_batch_size": 8},
         {"per_device_train_batch_size": 32, "dataloader_drop_last": True}, 5, 1, 6),
    ],
)  # fmt: skip
def test_every_sample_is_seen_with_another_batch(
    make_trainer, first, then, stop, epochs, steps
) -> None:
    data = Rows(80)
    data.lengths = [6] * 80
    options = {"train_dataset": data, "num_train_epochs": epochs, "eval_strategy": "epoch"}
    options["eval_dataset"] = Rows(4)
    _, trainer = in_two_parts(make_trainer, stop, first | options, then | options)
    dropped = 8 if "dataloader_drop_last" in then else 0  # 40 are left, of which a batch has 32
    more = {
        1: 0,
        1.5: then["per_device_train_batch_size"] * (steps - 10 if steps == 15 else 3),
        2: 80,
    }
    assert len(data.fetched) == 80 - dropped + more[epochs]
    assert len(set(data.fetched[: 80 - dropped])) == 80 - dropped
    assert (trainer.state.global_step, trainer.state.max_steps) == (steps, steps)
    assert epochs - 1e-6 <= trainer.state.epoch <= epochs + 0.11  # whole steps
    assert trainer.state.log_history[-1]["step"] == steps
    rates = [r["learning_rate"] for r in trainer.state.log_history if "learning_rate" in r]
    assert rates[-1] == pytest.approx(1e-2 * (1 - (steps - 1) / steps))


def test_settings_given_anew_take_effect(make_trainer, caplog) -> None:
    constant = {"max_steps": 8, "lr_scheduler_type": "constant"}
    seen = Rates("lr", "weight_decay")
    then = {**constant, "learning_rate": 1e-4, "weight_decay": 0.5, "adam_beta1": 0.5}
    _, trainer = in_two_parts(make_trainer, 4, constant, then, seen)
    assert seen.seen == [1e-4, 0.5] * 4
    assert trainer.optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    assert "weight_decay" in caplog.text
    assert trainer.args.to_dict()["learning_rate"] == 1e-4


@pytest.mark.parametrize("decay", [(0.1, 0.0), (0.0, 0.1)])
def test_weight_decay_that_changes_the_groups(make_trainer, decay) -> None:
    first, then = ({"max_steps": 8, "weight_decay": value} for value in decay)
    seen = Rates("weight_decay")
    _, trainer = in_two_parts(make_trainer, 4, first, then, seen)
    assert seen.seen == [decay[1]] * 4
    assert {g["weight_decay"] for g in trainer.optimizer.param_groups} == {decay[1], 0.0}


@pytest.mark.parametrize("kind", ["linear", "cosine", "own"])
def test_an_extended_run_takes_the_rate_of_the_longer_schedule(make_trainer, kind) -> None:
    own = {"lr_scheduler_factory": partial(torch.optim.lr_scheduler.CosineAnnealingLR)}
    options = {"lr_scheduler_type": kind} if kind != "own" else {}

    def schedule(steps: int) -> dict:
        return (
            {"lr_scheduler_factory": partial(own["lr_scheduler_factory"], T_max=steps)}
            if (kind == "own")
            else {}
        )

    whole, seen = Rates("lr"), Rates("lr")
    make_trainer(**options, **schedule(8), max_steps=8, callbacks=[whole]).train()
    short, long = ({**options, **schedule(n), "max_steps": n, **SAVED} for n in (4, 8))
    make_trainer(**short).train()
    make_trainer(**long, callbacks=[seen]).train(resume_from_checkpoint=True)
    assert seen.seen == pytest.approx(whole.seen[4:])


@pytest.mark.parametrize("steps", [4, 6])
def test_averages_are_exported_wherever_a_run_goes_on(make_trainer, steps: int) -> None:
    options = {"max_steps": 6, "callbacks": [EMACallback(0.5)], **SAVED}
    whole = make_trainer(**{**options, "save_steps": steps, "save_total_limit": None})
    whole.train()
    again = make_trainer(**options)
    again.train(resume_from_checkpoint=whole.args.checkpoint_dir / f"checkpoint-{steps}")
    assert torch.equal(again.model.embedding.weight, whole.model.embedding.weight)


class Thaw(TrainerCallback):
    """Trains a layer from a step on, in a group of its own."""

    def on_step_end(self, args, state, control, model, optimizer, **kwargs) -> None:
        if state.global_step == 2:
            model.mix.requires_grad_(True)
            optimizer.add_param_group({"params": list(model.mix.parameters()), "lr": 0.05})


def frozen() -> ToyModel:
    model = ToyModel()
    model.mix.requires_grad_(False)
    return model


def test_groups_made_later_are_trained_and_resumed(make_trainer) -> None:
    options = {"model_init": frozen, "max_steps": 8, "max_grad_norm": 1.0, **SAVED}
    whole = make_trainer(
        **{**options, "save_steps": 4, "save_total_limit": None}, callbacks=[Thaw()]
    )
    whole.train()
    assert not torch.equal(whole.model.mix.weight, frozen().mix.weight)
    assert whole.optimizer.param_groups[1]["lr"] == pytest.approx(0.0)  # as the schedule has it
    again = make_trainer(**options, callbacks=[Thaw()])
    again.train(resume_from_checkpoint=whole.args.checkpoint_dir / "checkpoint-4")
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name


def test_starting_anew_keeps_everything(make_trainer) -> None:
    for steps in (6, 2, 2):
        trainer = make_trainer(max_steps=steps, save_strategy="steps", save_steps=2)
        trainer.train()
    root = trainer.args.checkpoint_dir.parent
    found = {str(path.relative_to(root)) for path in root.rglob("checkpoint-*")}
    assert found == {
        "checkpoints.old/checkpoint-4", "checkpoints.old/checkpoint-6",
        "checkpoints.old-2/checkpoint-2", "checkpoints/checkpoint-2",
    }  # fmt: skip
