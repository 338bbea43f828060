"""Says about a failed run what to do: in notes on the exception, which keeps type and traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.checkpoint.directory import latest_checkpoint

if TYPE_CHECKING:
    from forgather_hydra.train.trainer import Trainer


@contextmanager
def explained(trainer: Trainer) -> Iterator[None]:
    """Adds to an exception from the body where the run can be taken up, and a cure if known."""
    try:
        yield
    except Exception as error:
        if _is_out_of_memory(error):
            error.add_note(_out_of_memory(trainer.args))
        if trainer.state.global_step:
            error.add_note(_where_it_stands(trainer))
        raise


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; the allocator of the CPU has no exception of its own."""
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or "DefaultCPUAllocator" in str(error)


def _out_of_memory(args: TrainingArguments) -> str:
    size, groups = args.per_device_train_batch_size, args.gradient_accumulation_steps
    cures = [
        f"lower per_device_train_batch_size ({size}) and raise gradient_accumulation_steps "
        f"({groups}) as much, which changes nothing else",
        f"lower per_device_eval_batch_size ({args.per_device_eval_batch_size})",
    ]
    if not args.gradient_checkpointing:
        cures.append("set gradient_checkpointing")
    if not (args.bf16 or args.fp16):
        cures.append("set bf16")
    cures.append("shorten the sequences, or take an optimizer with a smaller state")
    return "\n  - ".join(["Out of memory. What helps, the first first:", *cures])


def _where_it_stands(trainer: Trainer) -> str:
    newest = latest_checkpoint(trainer.args.checkpoint_dir)
    said = f"the newest checkpoint is {newest}" if newest else "there is no checkpoint yet"
    return f"Training failed after step {trainer.state.global_step}; {said}."
