"""Short runs of the trainer, and what can be compared of them."""

from __future__ import annotations

from typing import Any

import torch

from forgather_hydra.train import Trainer, TrainerCallback, TrainingArguments
from gpuparts.data import stories
from gpuparts.models import maker
from gpuparts.setting import Setting

PARTS = (
    *("callbacks", "data_collator", "eval_dataset", "lr_scheduler_factory", "model", "model_init"),
    *("optimizer_factory", "train_dataset", "schedule", "microbatches", "stages_per_process"),
)


class StopAt(TrainerCallback):
    """Ends a run after a step, with a checkpoint."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            control.should_save = control.should_training_stop = True


def trainer(setting: Setting, name: str, kind: Any = Trainer, **options: Any) -> Any:
    """A trainer of a small model on stories, which logs each step; it writes to a folder `name`."""
    given = {part: options.pop(part) for part in PARTS if part in options}
    if "model" not in given:
        given.setdefault("model_init", maker(setting))
    given.setdefault("train_dataset", stories(setting.size(24, 512), setting.size(16, 256)))
    given.setdefault("callbacks", [])
    defaults: dict[str, Any] = {
        "output_dir": str(setting.folder / name),
        "use_cpu": not setting.on_gpu,
        "max_steps": setting.size(6, 60),
        "per_device_train_batch_size": setting.size(2, 8),
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "save_strategy": "no",
    }
    if "optimizer_factory" not in given:
        defaults["learning_rate"] = 1e-3
    return kind(TrainingArguments(**defaults | options), **given)


def curve(setting: Setting, name: str, kind: Any = Trainer, **options: Any) -> torch.Tensor:
    """Losses of the steps of such a run."""
    made = trainer(setting, name, kind, **options)
    made.train()
    return losses(made)


def losses(made: Any) -> torch.Tensor:
    history = made.state.log_history
    return torch.tensor([r["loss"] for r in history if "loss" in r], dtype=torch.float64)


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest relative difference of two curves."""
    if one.shape != other.shape:
        return float("nan")
    return ((one - other).abs() / other.abs()).max().item()


def weights(made: Any) -> dict[str, torch.Tensor]:
    """Copies of the weights, on the CPU."""
    return {name: p.detach().cpu().clone() for name, p in made.model.named_parameters()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether weights are equal to the bit."""
    return all(torch.equal(one[name], other[name]) for name in one | other)
