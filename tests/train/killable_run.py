"""A training run to be killed and started again: `-m killable_run OUTPUT_DIR [STEP MOMENT]`."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import torch
from toys import Rows, ToyModel

from forgather_hydra.train import (
    JsonlCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from forgather_hydra.train.checkpoint import directory as checkpoint


class KillAt(TrainerCallback):
    """Ends the process without warning at the end of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step:
            kill()


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_while_saving(step: int) -> None:
    """Ends the process when the files of a checkpoint are written and it is not sealed yet."""
    seal = checkpoint.seal

    def seal_or_die(directory: Path, step_now: int, files: dict) -> None:
        kill() if step_now == step else seal(directory, step_now, files)

    checkpoint.seal = seal_or_die


def main(output_dir: str, step: str = "-1", moment: str = "") -> None:
    torch.set_num_threads(1)
    if moment == "save":
        kill_while_saving(int(step))
    args = TrainingArguments(
        output_dir=output_dir,
        use_cpu=True,
        max_steps=30,
        per_device_train_batch_size=3,
        gradient_accumulation_steps=2,
        dataloader_num_workers=1,
        learning_rate=1e-2,
        max_grad_norm=1.0,
        logging_steps=3,
        eval_strategy="steps",
        eval_steps=7,
        save_steps=4,
        async_save=True,
    )
    Trainer(
        args,
        model_init=partial(ToyModel, dropout=0.3),
        train_dataset=Rows(50, masked=True),
        eval_dataset=Rows(10, seed=1),
        lr_scheduler_factory=partial(torch.optim.lr_scheduler.LinearLR, total_iters=30),
        callbacks=[JsonlCallback(), KillAt(int(step) if moment == "end" else -1)],
    ).train(resume_from_checkpoint=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
