"""Time of a step of each pipeline schedule against the time that its bubble allows.

Layers sleep instead of computing, so that processors do not count: a process forwards a microbatch,
computes gradients of its inputs and those of its weights in `--op-ms` each, shared out over its
stages. `analytic` is the time of the textbook for that (Qi et al. 2023,
https://arxiv.org/abs/2401.10241, section 3; Narayanan et al. 2021,
https://arxiv.org/abs/2104.04473, section 2.2), `torch` that of the same stages on torch's schedule
alone, `ours` that of a step of the trainer: `python tests/bench/bench_pipeline.py`
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from forgather_hydra.train import TrainingArguments
from forgather_hydra.train.pipeline.plan import PipelineOptions, make_plan
from forgather_hydra.train.pipeline.schedules import SCHEDULES
from forgather_hydra.train.pipeline.steps import PipelineSteps

WIDTH = 8


class SleepInput(torch.autograd.Function):
    """Identity that takes its time, and so does its gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, seconds: float) -> torch.Tensor:
        ctx.seconds = seconds
        time.sleep(seconds)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        time.sleep(ctx.seconds)
        return grad, None


class SleepWeight(torch.autograd.Function):
    """Identity whose gradient takes its time: a node of its own, for a split backward."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, seconds: float) -> torch.Tensor:
        ctx.seconds = seconds
        return weight.clone()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        time.sleep(ctx.seconds)
        return grad, None


class SleepLayer(nn.Module):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return SleepInput.apply(x, self.seconds) * SleepWeight.apply(self.weight, self.seconds)


class SleepModel(nn.Module):
    """A model of the parts that are cut, of one layer a stage."""

    def __init__(self, layers: int, seconds: float) -> None:
        super().__init__()
        self.input_encoder = nn.Embedding(2, WIDTH)
        self.layer_stack = nn.Module()
        self.layer_stack.layers = nn.ModuleDict(
            {str(i): SleepLayer(seconds) for i in range(layers)}
        )
        self.layer_stack.layer_norm = self.output_decoder = None
        self.loss_fn = lambda x, labels: x.square().mean()

    def forward(self, input_ids=None, *, inputs_embeds=None, **_: Any) -> torch.Tensor:
        x = self.input_encoder(input_ids) if inputs_embeds is None else inputs_embeds
        for layer in self.layer_stack.layers.values():
            x = layer(x)
        return x


def analytic(schedule: str, processes: int, microbatches: int, op: float) -> float:
    """Seconds of a step whose forward pass and two gradients take `op` a microbatch each."""
    stages_each = SCHEDULES[schedule].stages or 2
    work = microbatches * 3 * op
    split = schedule in ("InterleavedZeroBubble", "ZBVZeroBubble", "DualPipeV")
    return work + (processes - 1) * (op if split else 3 * op) / stages_each


def median_seconds(steps: list[Callable[[], object]], repeat: int) -> list[float]:
    """Of steps that all processes begin and end together, taken in turn, after one each that sets
    everything up.
    """
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(1 + repeat):
        for step, mine in zip(steps, seconds, strict=True):
            dist.barrier()
            start = time.perf_counter()
            step()
            dist.barrier()
            mine.append(time.perf_counter() - start)
    return [statistics.median(mine[1:]) for mine in seconds]


def measure(schedule: str, args: argparse.Namespace) -> list[float]:
    """Seconds of a step on torch's schedule alone, and of ours."""
    size, rank = dist.get_world_size(), dist.get_rank()
    each = SCHEDULES[schedule].stages or 2
    options = PipelineOptions(schedule=schedule, microbatches=args.microbatches)
    arguments = TrainingArguments(use_cpu=True, per_device_train_batch_size=args.microbatches)
    plan = make_plan(options, arguments, world_size=size, layers=each * size, evaluates=False)
    model = SleepModel(each * size, args.op_ms / 1e3 / each)
    steps = PipelineSteps(plan, model, rank, torch.device("cpu"), None, None, nullcontext)
    batch = {"input_ids": torch.zeros(args.microbatches, 2, dtype=torch.long)}

    bare = steps._make_schedule(batch["input_ids"].shape, True)
    ids, rows = [batch["input_ids"]] if rank == 0 else [], torch.arange(args.microbatches)
    target = {"target": rows, "losses": []} if steps._has_last else {}

    def ours() -> None:
        steps.train(batch, args.microbatches, 1.0)

    def alone() -> None:
        bare.step(*ids, return_outputs=False, rows=rows, **target)

    ours()  # which says what a batch has to be divided by
    return median_seconds([alone, ours], args.repeat)


def run(args: argparse.Namespace) -> None:
    """What each process does."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    op = args.op_ms / 1e3
    ideal = args.microbatches * 3 * op
    for schedule in SCHEDULES:
        if args.microbatches < (SCHEDULES[schedule].stages or 2) * dist.get_world_size():
            continue
        alone, ours = measure(schedule, args)
        bound = analytic(schedule, dist.get_world_size(), args.microbatches, op)
        if dist.get_rank() == 0:
            print(
                f"{schedule:22} {1e3 * bound:9.1f} {1e3 * alone:9.1f} {1e3 * ours:9.1f}"
                f" {bound / ours:14.3f} {alone / ours:11.3f} {1 - ideal / bound:8.1%}"
                f" {1 - ideal / ours:8.1%}",
                flush=True,
            )
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--microbatches", type=int, default=8)
    parser.add_argument("--op-ms", type=float, default=20.0)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    if "RANK" in os.environ:
        run(args)
        return
    print(f"{args.processes} processes, {args.microbatches} microbatches, {args.op_ms} ms")
    print(
        f"{'schedule':22} {'analytic':>9} {'torch':>9} {'ours':>9} {'analytic/ours':>14}"
        f" {'torch/ours':>11} {'bubble':>8} {'of ours':>8}"
    )
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    here = [sys.executable, *launcher, str(args.processes), *sys.argv]
    subprocess.run(here, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
