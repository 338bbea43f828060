"""Small models: a step of the trainer eager, compiled, and by CUDA graphs (reduce-overhead)."""

from __future__ import annotations

from typing import Any

from forgather_hydra.train import TrainerCallback
from gpuparts.clocks import Window
from gpuparts.setting import Outcome, Setting
from gpuparts.training import trainer

LIMIT = 90

MODES: dict[str, dict[str, Any]] = {
    "eager": {},
    "compiled": {"torch_compile": True},
    "graphs": {"torch_compile": True, "torch_compile_mode": "reduce-overhead"},
}


class Ticking(TrainerCallback):
    def __init__(self, window: Window) -> None:
        self.window = window

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.window.tick()


def run(setting: Setting) -> Outcome:
    found = Outcome()
    steps = setting.size(6, 120)
    for name, options in MODES.items():
        if name != "eager" and not setting.on_gpu:
            continue
        window = Window(setting, warm=steps // 2, steps=steps)
        callbacks = [Ticking(window)]
        trainer(
            setting, name, bf16=True, max_steps=steps, logging_steps=10, callbacks=callbacks,
            per_device_train_batch_size=4, **options,
        ).train()  # fmt: skip
        found.figures[f"{name}_us"] = 1e6 * window.seconds
        setting.keep(found)
    if not setting.on_gpu:
        found.notes.append("compiled on a GPU alone")
    return found
