"""What a run says that has too little memory."""

from __future__ import annotations

import torch

from gpuparts.data import stories
from gpuparts.models import maker
from gpuparts.setting import Outcome, Setting
from gpuparts.training import trainer

LIMIT = 60


def run(setting: Setting) -> Outcome:
    found = Outcome()
    if setting.on_gpu:
        # A limit of this process's own: others may be using the device.
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(2 * 2**30 / total)
        rows, length, size = 4096, 2048, 4096
        options = {"train_dataset": stories(rows, length), "per_device_train_batch_size": size}
    else:
        options = {"callbacks": [Exhausted()]}
    try:
        trainer(setting, "run", model_init=maker(setting), **options).train()
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        told = "\n".join(getattr(error, "__notes__", []))
        found.figures["told"] = told
        found.require("says what helps", "per_device_train_batch_size" in told)
        found.require("keeps the type", isinstance(error, torch.OutOfMemoryError | MemoryError))
    else:
        found.require("runs out of memory", False)
    return found


class Exhausted:
    """Has the host run out of memory, where there is no device to fill."""

    def on_step_end(self, *args: object, **kwargs: object) -> None:
        raise MemoryError("as an allocation that fails")
