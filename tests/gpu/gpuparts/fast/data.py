"""How long training waits for batches, as a share; and what moving one to the device takes."""

from __future__ import annotations

import time
from typing import Any

import torch

from forgather_hydra.train import CausalCollator, TrainerCallback
from gpuparts.clocks import median_seconds
from gpuparts.data import Rows, noise
from gpuparts.models import SHAPES, maker
from gpuparts.setting import Outcome, Setting
from gpuparts.training import trainer

LIMIT = 60


class Between(TrainerCallback):
    """Seconds from the end of a step to the beginning of the next one, and of all steps."""

    def __init__(self, skip: int) -> None:
        self.skip, self.waited, self.begun, self.ended = skip, 0.0, 0.0, 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.perf_counter()
        if state.global_step == self.skip:
            self.begun = now
        elif self.begun:
            self.waited += now - self.ended

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.ended = time.perf_counter()


class Mapped(Rows):
    """The same rows from a file, as tokenized blocks are."""

    def __init__(self, rows: Rows, path: Any) -> None:
        rows.ids.numpy().tofile(path)
        found = torch.from_file(str(path), size=rows.ids.numel(), dtype=torch.int64)
        super().__init__(found.view(rows.ids.shape))


def run(setting: Setting) -> Outcome:
    found = Outcome(aims={"waiting_mapped": ("<=", 0.01), "waiting_workers": ("<=", 0.01)})
    shape = setting.size("tiny", "160m")
    length, steps, batch = setting.size((16, 8, 2), (2048, 30, 16))
    rows = noise(batch * steps, length, SHAPES[shape]["vocab_size"])
    mapped = Mapped(rows, setting.folder / "rows.bin")
    cases: dict[str, dict[str, Any]] = {
        "mapped": {},
        "padded": {"data_collator": CausalCollator()},
        "workers": {"dataloader_num_workers": 1},
    }
    for name, options in cases.items():
        between = Between(skip=steps // 3)
        trainer(
            setting, name, model_init=maker(setting, "160m"), train_dataset=mapped, bf16=True,
            per_device_train_batch_size=batch, max_steps=steps, logging_steps=steps,
            callbacks=[between], **options,
        ).train()  # fmt: skip
        found.figures[f"waiting_{name}"] = between.waited / (time.perf_counter() - between.begun)
        setting.free()
    ids = rows.ids[:batch].clone()
    pinned = ids.pin_memory() if setting.on_gpu else ids
    for name, source in (("pageable", ids), ("pinned", pinned)):
        seconds = median_seconds(setting, lambda s=source: s.to(setting.device, non_blocking=True))  # type: ignore[misc]
        found.figures[f"transfer_{name}_us"] = 1e6 * seconds
    return found
