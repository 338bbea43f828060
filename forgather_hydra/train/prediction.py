"""Logits of a data set, and metrics of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.evaluation import evaluate_loss
from forgather_hydra.train.loss import IGNORE_INDEX
from forgather_hydra.train.parallel.base import Strategy

Preprocess = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class EvalPrediction(NamedTuple):
    """What the user's metrics are computed of: arrays with a row for every sample, in order."""

    predictions: np.ndarray
    label_ids: np.ndarray


ComputeMetrics = Callable[[EvalPrediction], dict[str, float]]


class PredictionOutput(NamedTuple):
    """Result of `Trainer.predict`: `predictions` are logits [N, T, V], or what
    `preprocess_logits_for_metrics` made of them; shorter rows are filled up with -100.
    """

    predictions: np.ndarray
    label_ids: np.ndarray
    metrics: dict[str, float]


def predict(
    strategy: Strategy,
    batches: Iterable[Batch],
    after_batch: Callable[[], None],
    preprocess: Preprocess | None,
) -> PredictionOutput:
    """Predictions of all processes, with the metrics that `evaluate_loss` gives for them.

    Batches were shared out in turn; they are put together in the order of the data.
    """
    mine: list[tuple[np.ndarray, np.ndarray]] = []

    def loss(batch: Batch) -> torch.Tensor:
        loss, logits = strategy.predict(batch)
        if logits is None or not len(batch["input_ids"]):
            return loss
        labels = batch.get("labels", batch["input_ids"])
        kept = preprocess(logits, labels.to(logits.device)) if preprocess else logits
        mine.append((kept.cpu().float().numpy(), labels.numpy()))
        return loss

    metrics = evaluate_loss(strategy, batches, after_batch, loss)
    shares = strategy.gather(mine)
    turns = max(map(len, shares))
    ordered = [share[turn] for turn in range(turns) for share in shares if turn < len(share)]
    predictions, labels = zip(*ordered, strict=True)
    return PredictionOutput(_join(predictions), _join(labels), metrics)


def _join(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of all arrays, filled up to the longest along the second axis."""
    longest = max(array.shape[1] for array in arrays)
    filled = [
        np.pad(
            array,
            [(0, 0), (0, longest - array.shape[1]), *[(0, 0)] * (array.ndim - 2)],
            constant_values=IGNORE_INDEX,
        )
        for array in arrays
    ]
    return np.concatenate(filled)


def own_metrics(output: PredictionOutput, compute: ComputeMetrics) -> dict[str, float]:
    """What `compute` makes of predictions, with the prefix of all metrics of an evaluation."""
    found: Any = compute(EvalPrediction(output.predictions, output.label_ids))
    if not isinstance(found, Mapping):
        raise TypeError(f"compute_metrics returned {found!r}, and has to return {{name: number}}")
    return {f"eval_{n.removeprefix('eval_')}": _number(n, value) for n, value in found.items()}


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"compute_metrics returned {name} = {value!r}, which is no number"
        ) from error
