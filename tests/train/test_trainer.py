"""The loop: lengths, accumulation, learning rate, losses, numerics."""

from __future__ import annotations

import os
import random
from functools import partial

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from toys import VOCABULARY, Rows, ToyModel, loss_of_outputs, losses
from transformers import get_scheduler

from forgather_hydra.train import TrainerCallback


def test_max_steps_overrides_epochs(make_trainer) -> None:
    result = make_trainer(max_steps=20, num_train_epochs=1).train()
    assert result.global_step == 20
    assert result.metrics["epoch"] == pytest.approx(20 / 6)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 3), (2, 6), (0.5, 2)])
def test_epochs_count_steps_with_the_incomplete_group(make_trainer, epochs, steps) -> None:
    trainer = make_trainer(
        train_dataset=Rows(30), num_train_epochs=epochs, gradient_accumulation_steps=3
    )
    assert trainer.train().global_step == steps
    assert trainer.state.epoch == pytest.approx(steps / 3)


def test_every_sample_is_trained_on_in_an_epoch(make_trainer) -> None:
    data = Rows(30)
    make_trainer(train_dataset=data, num_train_epochs=1, gradient_accumulation_steps=3).train()
    assert sorted(data.fetched) == list(range(30))


@pytest.mark.parametrize("rows", [24, 30])
def test_accumulation_equals_one_large_batch(make_trainer, rows: int) -> None:
    """With unequal numbers of targets, and with an incomplete last group."""
    data = Rows(rows, masked=True)
    small = make_trainer(
        train_dataset=data, per_device_train_batch_size=3, gradient_accumulation_steps=4,
        num_train_epochs=2, max_grad_norm=1.0,
    )  # fmt: skip
    large = make_trainer(
        train_dataset=data, per_device_train_batch_size=12, num_train_epochs=2, max_grad_norm=1.0
    )
    small.train()
    large.train()
    assert losses(small) == pytest.approx(losses(large), rel=1e-5)
    for ours, theirs in zip(small.model.parameters(), large.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_a_batch_without_targets_does_not_spoil_its_group(make_trainer) -> None:
    data = Rows(8, masked=True)
    data.labels[:4] = -100
    trainer = make_trainer(
        train_dataset=data, shuffle=False, gradient_accumulation_steps=2, max_steps=1
    )
    trainer.train()
    torch.manual_seed(trainer.args.seed)
    expected, _ = ToyModel()(data.ids[4:], data.labels[4:])
    assert losses(trainer) == pytest.approx([expected.item()], rel=1e-5)


def test_a_step_without_any_target_is_an_error(make_trainer) -> None:
    with pytest.raises(ValueError, match="no target token"):
        make_trainer(train_dataset=Rows(8, length=1)).train()


def test_logged_learning_rate_is_the_one_used(make_trainer) -> None:
    trainer = make_trainer(max_steps=4, learning_rate=0.4, lr_scheduler_type="linear")
    trainer.train()
    rates = [record["learning_rate"] for record in trainer.state.log_history]
    assert rates == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_logged_loss_is_the_mean_since_the_last_log(make_trainer) -> None:
    every, third = make_trainer(max_steps=7), make_trainer(max_steps=7, logging_steps=3)
    every.train()
    result = third.train()
    single = losses(every)
    means = [sum(single[:3]) / 3, sum(single[3:6]) / 3, single[6]]
    assert losses(third) == pytest.approx(means, rel=1e-5)
    assert result.training_loss == pytest.approx(sum(single) / 7, rel=1e-5)


def test_first_step_is_logged_on_request(make_trainer) -> None:
    trainer = make_trainer(max_steps=6, logging_steps=4, logging_first_step=True)
    trainer.train()
    assert [record["step"] for record in trainer.state.log_history] == [1, 4, 6]


def test_seed_decides_the_run(make_trainer) -> None:
    runs = []
    for seed in (1, 1, 2):
        trainer = make_trainer(max_steps=3, seed=seed, model_init=partial(ToyModel, dropout=0.5))
        trainer.train()
        runs.append(losses(trainer))
    assert runs[0] == runs[1] != runs[2]


def test_evaluation_does_not_change_training(make_trainer) -> None:
    model_init = partial(ToyModel, dropout=0.5)
    plain = make_trainer(max_steps=6, model_init=model_init)
    evaluated = make_trainer(
        max_steps=6, model_init=model_init, eval_dataset=Rows(5), eval_strategy="steps",
        eval_steps=2, eval_on_start=True,
    )  # fmt: skip
    plain.train()
    evaluated.train()
    assert losses(plain) == losses(evaluated)


def test_clipping_bounds_the_update_and_logs_the_norm_before_it(make_trainer) -> None:
    options = {"max_steps": 1, "optimizer_factory": partial(torch.optim.SGD, lr=1.0)}
    free, clipped = make_trainer(**options), make_trainer(**options, max_grad_norm=1e-3)
    free.train()
    clipped.train()
    norms = [trainer.state.log_history[0]["grad_norm"] for trainer in (free, clipped)]
    assert norms[0] == pytest.approx(norms[1])
    torch.manual_seed(clipped.args.seed)
    moved = [(p - q).detach().square().sum() for p, q in zip(
        clipped.model.parameters(), ToyModel().parameters(), strict=True)]  # fmt: skip
    assert sum(moved) ** 0.5 == pytest.approx(1e-3, rel=1e-3)


def test_factories_get_named_parameters_and_the_length_of_the_run(make_trainer) -> None:
    seen = []

    def optimizer(named_parameters):
        named_parameters = list(named_parameters)
        seen.extend(name for name, _ in named_parameters)
        return torch.optim.SGD(named_parameters, lr=0.1)

    schedule = partial(get_scheduler, "cosine", num_warmup_steps=0)
    trainer = make_trainer(max_steps=4, optimizer_factory=optimizer, lr_scheduler_factory=schedule)
    trainer.train()
    assert seen == ["embedding.weight", "mix.weight", "mix.bias"]
    rates = [record["learning_rate"] for record in trainer.state.log_history]
    assert rates == pytest.approx([0.1, 0.0853553, 0.05, 0.0146447], abs=1e-6)


def test_a_bound_schedule_length_is_kept(make_trainer) -> None:
    schedule = partial(get_scheduler, "linear", num_warmup_steps=0, num_training_steps=8)
    trainer = make_trainer(max_steps=2, learning_rate=0.8, lr_scheduler_factory=schedule)
    trainer.train()
    assert trainer.state.log_history[-1]["learning_rate"] == pytest.approx(0.7)


def test_weight_decay_leaves_vectors_alone(make_trainer) -> None:
    trainer = make_trainer(max_steps=1, weight_decay=0.1)
    trainer.train()
    decays = {
        p.ndim: g["weight_decay"] for g in trainer.optimizer.param_groups for p in g["params"]
    }
    assert decays == {2: 0.1, 1: 0.0}


def test_own_loss_function_replaces_the_model_s(make_trainer) -> None:
    class Logits(ToyModel):
        def forward(self, input_ids):  # type: ignore[override]
            return super().forward(input_ids, input_ids)[1]

    own = make_trainer(max_steps=3, model_init=Logits, compute_loss_func=loss_of_outputs)
    built_in = make_trainer(max_steps=3)
    own.train()
    built_in.train()
    assert losses(own) == losses(built_in)


def test_bf16_trains_with_clipping_and_the_fused_optimizer(make_trainer) -> None:
    trainer = make_trainer(max_steps=20, bf16=True, max_grad_norm=1.0, train_dataset=Rows(4))
    trainer.train()
    assert trainer.optimizer.defaults["fused"]
    assert losses(trainer)[-1] < losses(trainer)[0]


def test_an_autocast_around_the_training_keeps_no_weights(make_trainer) -> None:
    alone, inside = (make_trainer(max_steps=4, bf16=True) for _ in range(2))
    alone.train()
    with torch.autocast("cpu", torch.bfloat16):
        inside.train()
    assert losses(inside) == losses(alone)


def test_compiling_changes_neither_losses_nor_parameter_names(make_trainer) -> None:
    compiled = make_trainer(max_steps=3, torch_compile=True, torch_compile_backend="eager")
    plain = make_trainer(max_steps=3)
    compiled.train()
    plain.train()
    assert losses(compiled) == pytest.approx(losses(plain))
    assert compiled.model.state_dict().keys() == plain.model.state_dict().keys()


class Spoil(TrainerCallback):
    """Makes the weights infinite after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_optimizer_step(self, args, state, control, model, **kwargs) -> None:
        if state.global_step == self.step:
            torch.nn.init.constant_(model.mix.bias, torch.inf)
            torch.nn.init.constant_(model.embedding.weight, torch.inf)


@pytest.mark.parametrize("logging_steps", [5, 100])
def test_divergence_stops_the_run_and_is_never_saved(make_trainer, logging_steps: int) -> None:
    trainer = make_trainer(
        max_steps=30, logging_steps=logging_steps, save_strategy="steps", save_steps=5,
        callbacks=[Spoil(6)],
    )  # fmt: skip
    with pytest.raises(
        FloatingPointError, match=r"(at or before|after) step 10.* lower learning_rate"
    ):
        trainer.train()
    assert [path.name for path in trainer.args.checkpoint_dir.iterdir()] == ["checkpoint-5"]


def test_missing_or_too_little_data_is_explained(make_trainer) -> None:
    trainer = make_trainer()
    trainer.train_dataset = None
    with pytest.raises(ValueError, match="give the trainer a train_dataset"):
        trainer.train()
    with pytest.raises(ValueError, match="unset dataloader_drop_last"):
        make_trainer(train_dataset=Rows(3), dataloader_drop_last=True).train()


def test_model_and_model_init_exclude_each_other(make_trainer) -> None:
    with pytest.raises(ValueError, match="either a model or a model_init"):
        make_trainer(model=ToyModel(), model_init=ToyModel)


class HostReads(TorchFunctionMode):
    """Counts calls that wait for the value of a tensor."""

    names = ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__")
    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += getattr(func, "__name__", "") in self.names
        return func(*args, **kwargs or {})


def test_the_device_is_read_once_a_log_and_never_in_between(make_trainer) -> None:
    def reads(logging_steps: int) -> int:
        trainer = make_trainer(
            train_dataset=Rows(400), max_steps=60, logging_steps=logging_steps, max_grad_norm=1.0
        )
        with HostReads() as mode:
            trainer.train()
        return mode.count

    assert reads(10) - reads(60) == 5
    assert reads(1) - reads(60) == 59
    assert reads(60) <= 3  # one log, the end of the run, the start of the loader


def test_every_generator_is_seeded_before_the_model_is_made(make_trainer) -> None:
    drawn = []

    def noting() -> ToyModel:
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
        return ToyModel()

    for seed in (1, 1, 2):
        make_trainer(max_steps=1, seed=seed, model_init=noting).train()
    first, again, other = drawn
    assert first == again
    assert all(x != y for x, y in zip(first, other, strict=True))


def test_training_leaves_the_environment_alone(make_trainer) -> None:
    before = dict(os.environ)
    make_trainer(max_steps=2, eval_dataset=Rows(4), eval_strategy="steps", eval_steps=1).train()
    assert dict(os.environ) == before


class Silent(torch.nn.Module):
    """Returns logits alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, VOCABULARY)

    def forward(self, input_ids, labels=None):
        return self.embedding(input_ids)


@pytest.mark.parametrize("eval_on_start", [False, True])
def test_a_model_without_a_loss_is_told(make_trainer, eval_on_start: bool) -> None:
    trainer = make_trainer(model=Silent(), eval_dataset=Rows(4), eval_on_start=eval_on_start)
    with pytest.raises(ValueError, match="Silent returned no loss: given labels, it has to"):
        trainer.train()
