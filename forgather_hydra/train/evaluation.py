"""Loss over an evaluation set, weighted by target tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import islice

import torch

from .loading import Batch
from .loss import count_targets
from .strategy import SingleProcess


@torch.no_grad()
def evaluate_loss(
    strategy: SingleProcess,
    batches: Iterable[Batch],
    max_batches: int,
    after_batch: Callable[[], None],
) -> dict[str, float]:
    """`eval_loss`, the mean over all target tokens, and its perplexity, in evaluation mode.

    `max_batches` below 1 means all. The device is read once, at the end.
    """
    model = strategy.model
    was_training = model.training
    model.eval()
    losses: list[torch.Tensor] = []
    counts: list[int] = []
    for batch in islice(batches, max_batches if max_batches > 0 else None):
        if count := count_targets(batch):
            losses.append(strategy.loss(batch))
            counts.append(count)
        after_batch()
    model.train(was_training)
    if not losses:
        raise ValueError("the evaluation set has no target token: samples need 2 tokens or more")
    means = torch.stack(losses).tolist()
    loss = math.fsum(m * n for m, n in zip(means, counts, strict=True)) / sum(counts)
    return {"eval_loss": loss, "eval_perplexity": perplexity(loss)}


def perplexity(loss: float) -> float:
    """exp(loss), infinite where that overflows."""
    return math.exp(loss) if loss < 700 else math.inf
