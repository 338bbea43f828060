"""What a checkpoint holds: the files, and how they are written and restored."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch

from .checkpoint import rotate, write_checkpoint
from .processes import once
from .rng import capture_rng, restore_rng
from .state import TrainerState

if TYPE_CHECKING:
    from .loop import TrainingLoop

MODEL = "model.safetensors"
OPTIMIZER = "optimizer.pt"
SCHEDULER = "scheduler.pt"
STATE = "trainer_state.json"


def save(trainer: TrainingLoop) -> Path:
    """Has the first process write a checkpoint of this step and delete those beyond the limit."""
    args, state, directory = trainer.args, trainer.state, trainer.args.checkpoint_dir
    rng_states = trainer.strategy.gather(capture_rng())

    def write() -> Path:
        fill = partial(write_state, trainer, rng_states)
        path = write_checkpoint(directory, state.global_step, fill)
        rotate(directory, path, args.save_total_limit, state.best_model_checkpoint)
        return path

    return once(trainer.strategy, write)


def write_state(trainer: TrainingLoop, rng_states: list[dict[str, Any]], directory: Path) -> None:
    """Writes all that a resumed run needs to continue as if it had not stopped.

    `rng_states` has the random number generators of every process, by rank.
    """
    save_weights(trainer.model, directory)
    torch.save(trainer.optimizer.state_dict(), directory / OPTIMIZER)
    torch.save(trainer.lr_scheduler.state_dict(), directory / SCHEDULER)
    for rank, state in enumerate(rng_states):
        torch.save(state, directory / _rng_file(rank))
    content = {
        "state": asdict(trainer.state),
        "sampler": trainer.sampler.state_dict(),
        "meter": trainer.meter.state_dict(trainer.state.global_step),
        "callbacks": trainer.callbacks.state_dict(),
        "arguments": trainer.args.to_dict(),
        "torch": torch.__version__,
    }
    (directory / STATE).write_text(json.dumps(content, indent=2), encoding="utf-8")


def restore_state(trainer: TrainingLoop, directory: Path) -> None:
    """Puts everything back into a prepared trainer, except for the random number generators."""
    load_weights(trainer.model, directory)
    trainer.optimizer.load_state_dict(_load(directory / OPTIMIZER))
    trainer.lr_scheduler.load_state_dict(_load(directory / SCHEDULER))
    content = json.loads((directory / STATE).read_text(encoding="utf-8"))
    saved = TrainerState(**content["state"])
    for name in _OF_THE_PRESENT_RUN:
        setattr(saved, name, getattr(trainer.state, name))
    trainer.state = saved
    trainer.sampler.load_state_dict(content["sampler"])
    trainer.meter.load_state_dict(content["meter"])
    trainer.callbacks.load_state_dict(content["callbacks"])


# How far to go, how often to log, and which process this is.
_OF_THE_PRESENT_RUN = (
    "max_steps",
    "num_train_epochs",
    "logging_steps",
    "eval_steps",
    "save_steps",
    "train_batch_size",
    "is_local_process_zero",
    "is_world_process_zero",
)


def restore_random_numbers(directory: Path, rank: int) -> None:
    """Sets the generators as they were; to be called last, right before the first step.

    A process more than the checkpoint was written by keeps its fresh ones.
    """
    if rank == 0 or (directory / _rng_file(rank)).exists():
        restore_rng(_load(directory / _rng_file(rank)))


def _rng_file(rank: int) -> str:
    return f"rng-{rank}.pt"


def save_pretrained(model: Any, tokenizer: Any, directory: Path) -> None:
    """Writes the trained model as its class does it, and the tokenizer, for `from_pretrained`."""
    directory.mkdir(parents=True, exist_ok=True)
    if hasattr(model, "save_pretrained"):
        model.save_pretrained(directory)
    else:
        save_weights(model, directory)
    if hasattr(tokenizer, "save_pretrained"):
        tokenizer.save_pretrained(directory)


def save_weights(model: torch.nn.Module, directory: Path) -> None:
    """Writes the weights as safetensors, tied ones once."""
    safetensors.torch.save_model(model, str(directory / MODEL), metadata={"format": "pt"})


def load_weights(model: torch.nn.Module, directory: Path) -> None:
    """Reads weights into `model`.

    Raises:
        RuntimeError: if names or shapes do not match the model.
    """
    device = next(model.parameters()).device
    safetensors.torch.load_model(model, directory / MODEL, device=str(device))


def _load(path: Path) -> Any:
    """Reads tensors and plain values; onto the CPU, from where they are copied to their owners."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds Python objects besides tensors and numbers, which is not safe to load: "
            "keep the state of the optimizer and of the schedule to tensors and plain values"
        ) from error
