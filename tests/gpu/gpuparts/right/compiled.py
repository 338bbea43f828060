"""Compiled and not: the same loss curve, in float32 and bf16, and with CUDA graphs.

`reduce-overhead` replays graphs that write to the same memory each time: a loss that is kept until
the next log, and gradients that are added up, must not be what the next replay overwrites.
"""

from __future__ import annotations

from gpuparts.setting import Outcome, Setting
from gpuparts.training import apart, curve

LIMIT = 150

GRAPHS = {"torch_compile_mode": "reduce-overhead"}
CASES = {
    "float32": ({}, 1e-4),
    "bf16": ({"bf16": True}, 3e-2),
    "graphs": ({**GRAPHS, "gradient_accumulation_steps": 2, "logging_steps": 3}, 1e-4),
}


def run(setting: Setting) -> Outcome:
    found = Outcome()
    cases = setting.size(("bf16", "graphs"), tuple(CASES))
    for name in cases:
        options, bound = CASES[name]
        compiled = {**options, "torch_compile": True}
        if not setting.on_gpu:  # whose compiler takes long, and which has no graphs
            compiled["torch_compile_backend"] = "eager"
            compiled.pop("torch_compile_mode", None)
        eager = {k: v for k, v in options.items() if not k.startswith("torch_compile")}
        steps = {"max_steps": setting.size(3, 24)}
        plain = curve(setting, f"{name}-eager", **eager, **steps)
        found.check(name, apart(curve(setting, name, **compiled, **steps), plain), bound)
    if not setting.on_gpu:
        found.notes.append("tracing alone stands in for the compiler, and there are no graphs")
    return found
