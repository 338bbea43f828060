"""Resumed runs equal uninterrupted ones, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toys import Rows, ToyModel, losses

from forgather_hydra.train import JsonlCallback, TrainerCallback

TIMES = {"time", "tokens_per_second"}
FINAL_WEIGHTS = "checkpoints/checkpoint-30/model.safetensors"


def records(output_dir: Path) -> list[dict[str, Any]]:
    lines = (output_dir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


def test_a_killed_run_continues_as_if_it_had_not_been(tmp_path: Path, warm_training) -> None:
    """Killed before the first checkpoint, and mid-epoch while writing a later one."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}

    def run(*words: object) -> int:
        command = ("-m", "killable_run", *map(str, words))
        return warm_training.python(*command, cwd=tmp_path, environment=environment).returncode

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(whole) == 0
    for kill in (("2", "end"), ("16", "save")):
        assert run(killed, *kill) == -signal.SIGKILL
    assert (killed / "checkpoints/.tmp-checkpoint-16/model.safetensors").exists()
    assert run(killed) == 0
    assert records(killed) == records(whole)
    ours, theirs = (load_file(path / FINAL_WEIGHTS) for path in (killed, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


class StopAt(TrainerCallback):
    """Asks for a checkpoint, and to stop, after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step:
            control.should_save = control.should_training_stop = True


OPTIMIZERS = {
    "default": None,
    "sgd": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "adafactor": partial(torch.optim.Adafactor, lr=0.01),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("step", [1, 5, 6, 11])
def test_stopping_anywhere_changes_nothing(make_trainer, step: int, optimizer: str) -> None:
    """Six steps an epoch; the logging window of four steps is cut by the stop."""
    options = {
        "max_steps": 14,
        "logging_steps": 4,
        "model_init": partial(ToyModel, dropout=0.3),
        "optimizer_factory": OPTIMIZERS[optimizer],
    }
    whole = make_trainer(**options)
    expected = whole.train()
    make_trainer(**options, callbacks=[StopAt(step)]).train()
    resumed = make_trainer(**options)
    result = resumed.train(resume_from_checkpoint=True)
    assert losses(resumed) == losses(whole)
    assert result.training_loss == expected.training_loss
    assert result.global_step == 14
    assert resumed.state.num_input_tokens_seen == whole.state.num_input_tokens_seen
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_epoch_evaluations_happen_once_each_when_stopped_at_an_epoch_s_end(make_trainer) -> None:
    options = {
        "num_train_epochs": 3,
        "eval_dataset": Rows(5),
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 5,
    }
    whole = make_trainer(**options, callbacks=[JsonlCallback()])
    whole.train()
    expected = records(Path(whole.args.output_dir))
    assert [r["epoch"] for r in expected if "eval_loss" in r] == [1, 2, 3]
    resumed = make_trainer(**options, callbacks=[JsonlCallback()])
    resumed.train(resume_from_checkpoint=whole.args.checkpoint_dir / "checkpoint-12")
    assert records(Path(whole.args.output_dir)) == expected


def test_an_epoch_s_log_survives_a_stop_between_its_last_step_and_its_end(make_trainer) -> None:
    options = {
        "num_train_epochs": 2,
        "logging_strategy": "epoch",
        "save_strategy": "steps",
        "save_steps": 6,
        "max_grad_norm": 1.0,
    }
    whole = make_trainer(**options, callbacks=[JsonlCallback()])
    whole.train()
    expected = records(Path(whole.args.output_dir))
    assert [record["step"] for record in expected] == [6, 12]
    resumed = make_trainer(**options, callbacks=[JsonlCallback()])
    resumed.train(resume_from_checkpoint=whole.args.checkpoint_dir / "checkpoint-6")
    assert records(Path(whole.args.output_dir)) == expected


def test_a_stop_does_not_end_the_epoch(make_trainer) -> None:
    options = {
        "max_steps": 9,
        "eval_dataset": Rows(4),
        "eval_strategy": "epoch",
        "logging_strategy": "epoch",
    }
    whole = make_trainer(**options, callbacks=[JsonlCallback()])
    whole.train()
    expected = records(Path(whole.args.output_dir))
    make_trainer(**options, callbacks=[JsonlCallback(), StopAt(3)]).train()
    make_trainer(**options, callbacks=[JsonlCallback()]).train(resume_from_checkpoint=True)
    assert records(Path(whole.args.output_dir)) == expected


def test_a_finished_run_is_not_trained_again_but_may_be_lengthened(make_trainer) -> None:
    options = {"save_strategy": "steps", "lr_scheduler_type": "constant"}
    make_trainer(max_steps=5, **options).train()
    again = make_trainer(max_steps=5, **options)
    again.train(resume_from_checkpoint=True)
    assert len(losses(again)) == 5
    longer, whole = make_trainer(max_steps=8, **options), make_trainer(max_steps=8, **options)
    longer.train(resume_from_checkpoint=True)
    whole.train()
    assert losses(longer) == losses(whole)


def test_a_new_run_does_not_mix_with_the_checkpoints_of_a_former_one(make_trainer, caplog) -> None:
    options = {"save_strategy": "steps"}
    make_trainer(max_steps=9, **options).train()
    fresh = make_trainer(max_steps=4, **options)
    fresh.train()
    directory = fresh.args.checkpoint_dir
    assert [path.name for path in directory.iterdir()] == ["checkpoint-4"]
    assert [path.name for path in Path(f"{directory}.old").iterdir()] == ["checkpoint-9"]
    assert "former checkpoints are now in" in caplog.text


def test_other_data_is_refused(make_trainer) -> None:
    make_trainer(max_steps=2, save_strategy="steps").train()
    with pytest.raises(ValueError, match="resume with the same data"):
        make_trainer(max_steps=4, train_dataset=Rows(25)).train(resume_from_checkpoint=True)


class Draws(TrainerCallback):
    """Draws from every generator at the beginning of a step, as a collator or a model may."""

    def __init__(self) -> None:
        self.drawn: list[tuple[float, float, float]] = []

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        self.drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))


def test_every_generator_goes_on_where_it_was(make_trainer) -> None:
    whole, first, second = Draws(), Draws(), Draws()
    make_trainer(max_steps=6, callbacks=[whole]).train()
    make_trainer(max_steps=6, callbacks=[first, StopAt(3)]).train()
    make_trainer(max_steps=6, callbacks=[second]).train(resume_from_checkpoint=True)
    assert first.drawn + second.drawn == whole.drawn


def test_steps_that_were_asked_for_are_taken_though_epochs_have_become_longer(make_trainer) -> None:
    saving = {"save_strategy": "steps", "save_steps": 5}
    make_trainer(max_steps=5, per_device_train_batch_size=8, **saving).train()
    resumed = make_trainer(max_steps=8, per_device_train_batch_size=2, **saving)
    assert resumed.train(resume_from_checkpoint=True).global_step == 8
