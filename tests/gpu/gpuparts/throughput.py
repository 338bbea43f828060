"""Tokens a second of a model by the trainer and its peers, which take turns in one process."""

from __future__ import annotations

import statistics
from typing import Any

from forgather_hydra.train.callbacks.throughput import flops_per_token
from gpuparts.clocks import Window, peak_flops
from gpuparts.data import noise
from gpuparts.models import SHAPES, new_model
from gpuparts.peers import IMPLEMENTATIONS, Job
from gpuparts.setting import Outcome, Setting

# The last two wrap the model, which is compiled anew for them.
TURNS = ("bare", "ours", "bare", "ours", "hf", "accelerate")


def measure(
    setting: Setting,
    shape: str,
    batch: int,
    steps: int,
    aim: float,
    tiny_turns: tuple[str, ...] = ("bare", "ours"),
) -> Outcome:
    """Compares all in bf16, compiled, on sequences of 2048 tokens.

    Args:
        aim: share of the device's bf16 peak.
    """
    length = setting.size(16, 2048)
    shape, batch, steps = setting.size(("tiny", 2, 4), (shape, batch, steps))
    found = Outcome(
        aims={
            "ours_mfu": (">=", aim),
            "ours_to_bare": (">=", 0.99),
            "ours_memory_to_bare": ("<=", 1.02),
            "ours_to_hf": (">=", 1.15),
        }
    )
    model = new_model(setting.folder, shape).to(setting.device)
    model.compile(backend="inductor" if setting.on_gpu else "eager")
    found.figures["parameters"] = sum(p.numel() for p in model.parameters())
    rows = noise(batch * steps, length, SHAPES[shape]["vocab_size"])
    flops = flops_per_token(model, length)
    found.figures["peak_tflops"] = peak = peak_flops(setting) / 1e12
    speeds: dict[str, list[float]] = {}
    memory: dict[str, int] = {}
    for name in setting.size(tiny_turns, TURNS):
        job = Job(setting, model, rows, steps, batch, True, setting.folder)
        speed, memory[name] = turn(job, name)
        speeds.setdefault(name, []).append(speed)
        for each, seen in speeds.items():
            found.figures[f"{each}_tokens_per_second"] = rate = statistics.median(seen)
            found.figures[f"{each}_mfu"] = rate * flops / 1e12 / peak
        compare(found, memory)
        setting.keep(found)
    if not setting.on_gpu:
        found.notes.append("not compiled, and the peak is the CPU's")
    return found


def turn(job: Job, name: str) -> tuple[float, int]:
    """Tokens a second of one turn, and the most memory it had on the GPU."""
    for parameter in job.model.parameters():
        parameter.grad = None
    job.setting.free()
    window = Window(job.setting, warm=max(2, job.steps // 3), steps=job.steps)
    IMPLEMENTATIONS[name](job, window.tick)
    return job.batch * job.rows.ids.shape[1] / window.seconds, window.bytes


def compare(found: Outcome, memory: dict[str, Any]) -> None:
    figures = found.figures
    for peer in ("bare", "hf", "accelerate"):
        theirs, mine = (figures.get(f"{name}_tokens_per_second") for name in (peer, "ours"))
        if theirs and mine:
            figures[f"ours_to_{peer}"] = mine / theirs
        if memory.get(peer) and memory.get("ours"):
            figures[f"ours_memory_to_{peer}"] = memory["ours"] / memory[peer]
    if memory.get("ours"):
        figures["ours_gib"] = memory["ours"] / 2**30
