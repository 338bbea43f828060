"""A training run to be killed and started again: `killable_run.py OUTPUT_DIR [STEP MOMENT]`."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

import torch
from toys import Rows, ToyModel

from forgather_hydra.train import JsonlCallback, Trainer, TrainerCallback, TrainingArguments


class KillAt(TrainerCallback):
    """Ends the process without warning at a moment of a step: its `end`, or while it `save`s."""

    def __init__(self, step: int, moment: str) -> None:
        self.step = step
        self.moment = moment
        self.now = 0

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.now = state.global_step
        self._kill("end")

    def state(self) -> dict:
        """Asked for when the weights are already written and the trainer's state is not."""
        self._kill("save")
        return {"args": {}, "attributes": {}}

    def _kill(self, moment: str) -> None:
        if (self.now, moment) == (self.step, self.moment):
            os.kill(os.getpid(), signal.SIGKILL)


def main(output_dir: str, step: str = "-1", moment: str = "") -> None:
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
        lr_scheduler_factory=partial(torch.optim.lr_scheduler.LinearLR, total_iters=30),
        callbacks=[JsonlCallback(), KillAt(int(step), moment)],
    ).train(resume_from_checkpoint=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
