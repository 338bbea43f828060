"""A training run to be killed and started again: `killable_run.py OUTPUT_DIR [KILL_AT_STEP]`."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

import torch
from toys import Rows, ToyModel

from forgather_hydra.train import JsonlCallback, Trainer, TrainerCallback, TrainingArguments


class KillAt(TrainerCallback):
    """Ends the process without warning after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main(output_dir: str, kill_at: int = -1) -> None:
    torch.set_num_threads(1)
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
    )
    Trainer(
        args,
        model_init=partial(ToyModel, dropout=0.3),
        train_dataset=Rows(50, masked=True),
        eval_dataset=Rows(10, seed=1),
        callbacks=[JsonlCallback(), KillAt(kill_at)],
    ).train(resume_from_checkpoint=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
