"""Learning-rate schedules, as factors of the rate that each parameter group starts with.

`warmup_steps` below 1 is a share of the run, as in the training arguments; the rate rises linearly
from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from forgather_hydra.limits import Amount, Steps

Shape = Callable[[float], float]


def constant(
    optimizer: Optimizer, num_training_steps: int, *, warmup_steps: Amount = 0
) -> LambdaLR:
    """The rate as it is, from the first step on; it has no warm-up, as that of transformers."""
    return LambdaLR(optimizer, _whole)


def constant_with_warmup(
    optimizer: Optimizer, num_training_steps: int, *, warmup_steps: Amount = 0
) -> LambdaLR:
    """The rate as it is after the warm-up."""
    return LambdaLR(optimizer, _warming(count(warmup_steps, num_training_steps), _whole))


def linear(
    optimizer: Optimizer,
    num_training_steps: int,
    *,
    warmup_steps: Amount = 0,
    min_ratio: Amount = 0,
) -> LambdaLR:
    """Falls linearly to `min_ratio` at the end."""
    warmup = count(warmup_steps, num_training_steps)
    fall = _falling(lambda x: 1 - x, warmup, num_training_steps, min_ratio)
    return LambdaLR(optimizer, _warming(warmup, fall))


def cosine(
    optimizer: Optimizer,
    num_training_steps: int,
    *,
    warmup_steps: Amount = 0,
    min_ratio: Amount = 0,
) -> LambdaLR:
    """Falls along half a cosine to `min_ratio` at the end (Loshchilov & Hutter 2017,
    https://arxiv.org/abs/1608.03983).
    """
    warmup = count(warmup_steps, num_training_steps)
    fall = _falling(_half_cosine, warmup, num_training_steps, min_ratio)
    return LambdaLR(optimizer, _warming(warmup, fall))


def wsd(
    optimizer: Optimizer,
    num_training_steps: int,
    *,
    warmup_steps: Amount = 0,
    decay_steps: Amount = 0.2,
    min_ratio: Amount = 0,
) -> LambdaLR:
    """Warm-up, a stable rate, and a fall as 1 - sqrt(x) in the last `decay_steps` (Hägele et al.
    2024, https://arxiv.org/abs/2405.18392), which below 1 are a share of the run.

    Raises:
        ValueError: if warm-up and decay are longer than the run.
    """
    warmup = count(warmup_steps, num_training_steps)
    decay = count(decay_steps, num_training_steps)
    if warmup + decay > num_training_steps:
        raise ValueError(
            f"warmup_steps ({warmup}) and decay_steps ({decay}) exceed the {num_training_steps} "
            "steps of the run: lower one of them"
        )
    start = num_training_steps - decay
    fall = _falling(lambda x: 1 - math.sqrt(x), start, num_training_steps, min_ratio)
    return LambdaLR(optimizer, _warming(warmup, fall))


def infinite(
    optimizer: Optimizer,
    *,
    warmup_steps: Steps = 0,
    cooldown_steps: Steps = 0,
    constant_ratio: Amount = 0.5,
    anneal_from: int | None = None,
    tau: Amount = 1000.0,
    min_ratio: Amount = 0,
) -> LambdaLR:
    """A schedule without an end (Ibrahim et al. 2024, https://arxiv.org/abs/2403.08763).

    Warm-up, half a cosine down to `constant_ratio` in `cooldown_steps`, and on at that rate. From
    step `anneal_from` the distance to `min_ratio` falls to 1/e every `tau` steps: resume a
    checkpoint of the constant part with it, to finish a model while another run goes on.
    """
    start, level = warmup_steps, constant_ratio if cooldown_steps else 1.0
    held = _falling(_half_cosine, start, start + cooldown_steps, level)

    def factor(step: float) -> float:
        if anneal_from is None or step < anneal_from:
            return held(step)
        decay = math.exp(-(step - anneal_from) / tau)
        return min_ratio + (held(anneal_from) - min_ratio) * decay

    return LambdaLR(optimizer, _warming(warmup_steps, factor))


def include_later_groups(scheduler: Any, optimizer: Optimizer) -> None:
    """Has a schedule follow groups that were added to the optimizer after it had been made, as it
    does the first one.

    Raises:
        ValueError: for a schedule that is no function of the step alone.
    """
    first = len(getattr(scheduler, "base_lrs", optimizer.param_groups))
    if later := optimizer.param_groups[first:]:
        if not isinstance(scheduler, LambdaLR):
            raise ValueError(
                f"a parameter group was added, and {type(scheduler).__name__} has a fixed number "
                "of them: take a schedule of lr_scheduler_type, or a LambdaLR"
            )
        for group in later:
            scheduler.base_lrs.append(group.setdefault("initial_lr", group["lr"]))
            scheduler.lr_lambdas.append(scheduler.lr_lambdas[0])


def count(steps: float, num_training_steps: int) -> int:
    """Steps from a number of them, or from a share of the run if below 1."""
    return math.ceil(steps * num_training_steps) if steps < 1 else int(steps)


def _whole(step: float) -> float:
    return 1.0


def _warming(warmup: int, after: Shape) -> Shape:
    return lambda step: step / warmup if step < warmup else after(step)


def _falling(shape: Shape, start: int, end: int, floor: float) -> Shape:
    """From 1 at `start` to `floor` at `end`, as `shape` falls from 1 to 0 over [0, 1]."""

    def factor(step: float) -> float:
        part = min(max(step - start, 0) / max(end - start, 1), 1.0)
        return floor + (1 - floor) * shape(part)

    return factor


def _half_cosine(x: float) -> float:
    return (1 + math.cos(math.pi * x)) / 2
