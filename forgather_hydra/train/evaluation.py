"""Loss over an evaluation set, weighted by target tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import torch

from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.loss import count_targets
from forgather_hydra.train.parallel.base import Strategy


def renamed(metrics: dict[str, float], prefix: str) -> dict[str, float]:
    """Metrics of an evaluation under another prefix than `eval`."""
    return {f"{prefix}_{name.removeprefix('eval_')}": value for name, value in metrics.items()}


def evaluate_each(
    evaluate: Callable[..., dict[str, float]], datasets: Mapping[str, Any], prefix: str
) -> dict[str, float]:
    """Metrics of several data sets, each evaluated by itself under its name."""
    found = [
        evaluate(part, metric_key_prefix=f"{prefix}_{name}") for name, part in datasets.items()
    ]
    return {name: value for metrics in found for name, value in metrics.items()}


@torch.no_grad()
def evaluate_loss(
    strategy: Strategy,
    batches: Iterable[Batch],
    after_batch: Callable[[], None],
    loss_of: Callable[[Batch], torch.Tensor] | None = None,
) -> dict[str, float]:
    """`eval_loss`, the mean over all target tokens, and its perplexity, in evaluation mode.

    `batches` are those of this process; the mean is over all of them. The device is read once, at
    the end. `loss_of` takes the place of `strategy.loss`, for batches of rows without targets too.
    """
    every_row = loss_of is not None
    loss_of = loss_of or strategy.loss
    model = strategy.model
    was_training = model.training
    model.eval()
    losses: list[torch.Tensor] = []
    counts: list[int] = []
    for batch in batches:
        count = count_targets(batch)
        if count or strategy.loss_is_collective or (every_row and len(batch["input_ids"])):
            losses.append(loss_of(batch))
            counts.append(count)
        after_batch()
    model.train(was_training)
    means = torch.stack(losses).tolist() if losses else []
    mine = list(zip(means, counts, strict=True))
    parts = list(chain.from_iterable(strategy.gather(mine)))
    total = sum(count for _, count in parts)
    if not total:
        raise ValueError("the evaluation set has no target token: samples need 2 tokens or more")
    # The exact sum, which does not depend on how the batches were shared out.
    loss = math.fsum(mean * count for mean, count in parts if count) / total
    return {"eval_loss": loss, "eval_perplexity": perplexity(loss)}


def perplexity(loss: float) -> float:
    """exp(loss), infinite where that overflows."""
    return math.exp(loss) if loss < 700 else math.inf
