"""What a step costs beyond its arithmetic: a near-empty model by the trainer and its peers; and how
often the host waits for the device in a step.
"""

from __future__ import annotations

import statistics
import warnings
from typing import Any

import torch

from gpuparts.clocks import Window
from gpuparts.peers import IMPLEMENTATIONS, LOG_EVERY, Job
from gpuparts.setting import Outcome, Setting

LIMIT = 75

# What makes the host wait, by its names for the profiler; a copy to the host is followed by one.
WAITS = ("cudaStreamSynchronize", "cudaEventSynchronize", "cudaMemcpy")


def run(setting: Setting) -> Outcome:
    from bench_loop import Model, Rows

    found = Outcome(
        aims={"ours_waits_per_step": ("<=", 1 / LOG_EVERY), "ours_to_bare": ("<=", 1.0)}
    )
    steps = setting.size(20, 400)
    model, rows = Model().to(setting.device), Rows(steps)
    rows.ids = rows.rows
    seconds: dict[str, list[float]] = {name: [] for name in IMPLEMENTATIONS}
    for _ in range(setting.size(1, 3)):
        for name, implementation in IMPLEMENTATIONS.items():
            window = Window(setting, warm=steps // 4, steps=steps)
            implementation(Job(setting, model, rows, steps, 1, False, setting.folder), window.tick)
            seconds[name].append(window.seconds)
    for name, each in seconds.items():
        found.figures[f"{name}_us"] = 1e6 * statistics.median(each)
        found.figures[f"{name}_to_bare"] = statistics.median(
            mine / bare for mine, bare in zip(each, seconds["bare"], strict=True)
        )
    short = Rows(40)
    short.ids = short.rows
    for name in IMPLEMENTATIONS:
        job = Job(setting, model, short, 40, 1, False, setting.folder)
        reads, waits, warned = counted(job, name)
        found.figures[f"{name}_reads_per_step"] = reads
        found.figures[f"{name}_waits_per_step"] = waits if setting.on_gpu else reads
        if setting.on_gpu:
            found.figures[f"{name}_sync_warnings_per_step"] = warned
    if not setting.on_gpu:
        # There, the fused optimizer itself reads how often it has stepped each weight.
        found.notes.append("waits are reads of tensors by the host: the CPU does not wait")
        reads = [found.figures[f"{name}_reads_per_step"] for name in ("ours", "bare")]
        found.require("ours reads no more than the bare loop", reads[0] <= reads[1])
    return found


def counted(job: Job, name: str) -> tuple[float, float, float]:
    """Reads of tensors by the host, waits, and warnings of waits, a step; in 20 steps of 40."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if job.setting.on_gpu:
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    profiler: Any = torch.profiler.profile(activities=kinds)
    step = warned = 0

    def tick() -> None:
        nonlocal step, warned
        step += 1
        if step == 10:
            profiler.start()
            if job.setting.on_gpu:
                torch.cuda.set_sync_debug_mode("warn")
        if step == 30:
            if job.setting.on_gpu:
                torch.cuda.set_sync_debug_mode("default")
            profiler.stop()
            warned = len(told)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        IMPLEMENTATIONS[name](job, tick)
    names = [event.name for event in profiler.events()]
    reads = names.count("aten::_local_scalar_dense")
    waits = sum(each in WAITS for each in names)
    return reads / 20, waits / 20, warned / 20
