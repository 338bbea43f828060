"""What a run says of itself before its first step."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from toys import Rows, ToyModel

from forgather_hydra.train import ProgressCallback, TrainerCallback


def summary(make_trainer, resume: bool = False, **options: Any) -> dict[str, str]:
    """The lines before the first step, by their labels."""
    stream, told = io.StringIO(), []

    class First(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs) -> None:
            told.append(stream.getvalue())

    progress = ProgressCallback(Console(file=stream, width=160))
    trainer = make_trainer(callbacks=[progress, First()], **options)
    trainer.train(resume_from_checkpoint=resume)
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in told[0].splitlines()}


def test_model_device_precision_batches_and_length(make_trainer) -> None:
    assert summary(make_trainer, num_train_epochs=2, gradient_accumulation_steps=3) == {
        "model": "ToyModel, 176 parameters",
        "device": "cpu",
        "precision": "weights in float32",
        "batch": "12 samples a step = 4 x 3 accumulated",
        "length": "4 steps, 2 epochs of 2 steps",
    }


def test_frozen_weights_and_computation_in_another_type(make_trainer) -> None:
    model = ToyModel()
    next(model.parameters()).requires_grad_(False)
    frozen = next(model.parameters()).numel()
    said = summary(make_trainer, model=model, max_steps=1, bf16=True)
    assert said["model"] == f"ToyModel, 176 parameters, {176 - frozen} of them trained"
    assert said["precision"] == "weights in float32, computed with in bfloat16 (autocast)"
    assert said["batch"] == "4 samples a step"


def test_data_without_a_length(make_trainer) -> None:
    stream = (Rows(24)[number % 24] for number in range(100))
    assert summary(make_trainer, train_dataset=stream, max_steps=2)["length"] == "2 steps"


def test_a_run_that_goes_on_with_another_batch(make_trainer) -> None:
    make_trainer(max_steps=3, save_strategy="steps", save_steps=3).train()
    options: dict[str, Any] = {"num_train_epochs": 2, "per_device_train_batch_size": 2}
    said = summary(make_trainer, resume=True, **options)
    # 12 of 24 samples are left of the first epoch: 6 steps, and 12 of the second.
    assert said["length"] == "21 steps, 2 epochs of 12 steps, from step 3 on"
