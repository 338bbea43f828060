"""Token-mean loss of a causal language model and the number of targets it is a mean over."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

IGNORE_INDEX = -100

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def count_targets(batch: Mapping[str, torch.Tensor]) -> int:
    """Number of tokens that `batch` (on the CPU) has as targets.

    Position t predicts t+1, so the first label of a row is never a target.
    """
    if (labels := batch.get("labels")) is None:
        rows, length = batch["input_ids"].shape
        return rows * (length - 1)
    return int(np.count_nonzero(labels.numpy()[:, 1:] != IGNORE_INDEX))


def mean_loss(
    model: torch.nn.Module, batch: dict[str, torch.Tensor], loss_function: LossFunction | None
) -> torch.Tensor:
    """Mean loss over the targets of `batch`; `labels` default to `input_ids`.

    The model computes it, returning a mapping with `loss` or a tuple `(loss, logits)`, unless
    `loss_function(logits, labels)` is given; that one has to shift the labels itself. In evaluation
    a model with an argument `skip_logits` is told that nobody looks at its logits.

    Raises:
        ValueError: if the model returns no loss.
    """
    inputs: dict[str, Any] = {"labels": batch["input_ids"], **batch}
    if loss_function is None:
        if not model.training and "skip_logits" in inspect.signature(model.forward).parameters:
            inputs["skip_logits"] = True
        return _loss(model, model(**inputs))
    labels = inputs.pop("labels")
    outputs = model(**inputs)
    return loss_function(_logits(outputs), labels)


def loss_and_logits(
    model: torch.nn.Module, batch: dict[str, torch.Tensor], loss_function: LossFunction | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """`mean_loss` with the logits [B, T, V] that it is of."""
    inputs: dict[str, Any] = {"labels": batch["input_ids"], **batch}
    if loss_function is not None:
        labels = inputs.pop("labels")
        logits = _logits(model(**inputs))
        return loss_function(logits, labels), logits
    outputs = model(**inputs)
    return _loss(model, outputs), outputs["logits"] if isinstance(outputs, Mapping) else outputs[1]


def _loss(model: torch.nn.Module, outputs: Any) -> torch.Tensor:
    if isinstance(outputs, Mapping):
        loss = outputs.get("loss")
    else:
        loss = outputs[0] if isinstance(outputs, tuple) and outputs else None
    if not isinstance(loss, torch.Tensor) or loss.ndim:
        raise ValueError(
            f"{type(model).__name__} returned no loss: given labels, it has to return a mapping "
            "with 'loss', or a tuple that begins with it; or give the trainer a compute_loss_func"
        )
    return loss


def _logits(outputs: Any) -> torch.Tensor:
    if isinstance(outputs, torch.Tensor):
        return outputs
    return outputs["logits"] if isinstance(outputs, Mapping) else outputs[0]
