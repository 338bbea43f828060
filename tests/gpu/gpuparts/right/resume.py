"""What is equal to the bit: two runs, and a run that was stopped and resumed; as it is, with
torch.use_deterministic_algorithms(True), and compiled.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from gpuparts.models import maker
from gpuparts.setting import Outcome, Setting
from gpuparts.training import StopAt, apart, equal, losses, trainer, weights

LIMIT = 120


def run(setting: Setting) -> Outcome:
    # Read when cuBLAS is first used, which is after this.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    found = Outcome()
    cases: dict[str, dict[str, Any]] = {"float32": {}, "bf16": {"bf16": True}}
    if setting.on_gpu:
        cases["bf16_compiled"] = {"bf16": True, "torch_compile": True}
    for name, options in cases.items():
        compare(found, setting, name, **options)
    torch.use_deterministic_algorithms(True)
    for name in ("float32", "bf16"):
        compare(found, setting, f"deterministic_{name}", **cases[name])
        found.require(
            f"deterministic_{name} resumes to the bit", found.figures[f"deterministic_{name}_bits"]
        )
    return found


def compare(found: Outcome, setting: Setting, name: str, **options: Any) -> None:
    """A run, the same again, and one in two parts, with dropout and accumulation."""
    steps, stop = setting.size((6, 3), (24, 11))
    options |= {
        "max_steps": steps,
        "gradient_accumulation_steps": 2,
        "model_init": maker(setting, residual_dropout=0.1),
    }
    runs = []
    for number in range(2):
        made = trainer(setting, f"{name}-{number}", **options)
        made.train()
        runs.append((losses(made), weights(made)))
    trainer(setting, f"{name}-part", callbacks=[StopAt(stop)], **options).train()
    resumed = trainer(setting, f"{name}-part", **options)
    resumed.train(resume_from_checkpoint=True)
    found.figures[f"{name}_again_bits"] = equal(runs[0][1], runs[1][1])
    found.figures[f"{name}_bits"] = equal(runs[0][1], weights(resumed))
    found.check(f"{name}_resumed_apart", apart(losses(resumed), runs[0][0]), 2e-2)
    setting.keep(found)
