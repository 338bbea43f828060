"""Token-mean loss of a causal language model and the number of targets it is a mean over."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

IGNORE_INDEX = -100

# (outputs, labels, num_items_in_batch=...) -> mean loss, as transformers calls it.
LossFunction = Callable[..., torch.Tensor]


class Objective(NamedTuple):
    """What is minimized.

    Attributes:
        compute: `(model, inputs, return_outputs=, num_items_in_batch=)` -> the mean loss over the
            targets, with the model's outputs if asked for.
        is_models_own: whether the model computes the loss itself.
        leads_outputs: whether outputs that are a tuple begin with the loss.
    """

    compute: Callable[..., Any]
    is_models_own: bool
    leads_outputs: bool


def count_targets(batch: Mapping[str, torch.Tensor]) -> int:
    """Number of tokens that `batch` (on the CPU) has as targets.

    Position t predicts t+1, so the first label of a row is never a target.
    """
    if (labels := batch.get("labels")) is None:
        rows, length = batch["input_ids"].shape
        return rows * (length - 1)
    return int(np.count_nonzero(labels.numpy()[:, 1:] != IGNORE_INDEX))


def has_few_targets(batch: Mapping[str, torch.Tensor]) -> bool:
    """Whether a model that finds the targets of `batch` (on the CPU) saves more than it costs."""
    return 4 * count_targets(batch) <= 3 * batch["input_ids"].numel()


def check_loss_function(function: LossFunction) -> None:
    """Raises TypeError unless `function` can be called as transformers calls it."""
    try:
        inspect.signature(function).bind(None, None, num_items_in_batch=1)
    except TypeError as error:
        raise TypeError(
            "compute_loss_func is called as in transformers, (outputs, labels, "
            f"num_items_in_batch=...) with outputs.logits [B, T, V]; this one cannot be: {error}"
        ) from error


def label_smoothing(factor: float) -> LossFunction:
    """The loss of targets of which `factor` is spread over all words of the vocabulary (Szegedy et
    al. 2015, https://arxiv.org/abs/1512.00567).
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: int) -> torch.Tensor:
        logits = logits_of(outputs)
        assert logits is not None
        logits = logits[:, :-1].flatten(0, 1).float()
        total = torch.nn.functional.cross_entropy(
            logits, labels[:, 1:].flatten(), reduction="sum", label_smoothing=factor
        )
        return total / num_items_in_batch

    return loss


def loss_of(model: torch.nn.Module, outputs: Any) -> torch.Tensor:
    """The loss among the outputs of `model`: that of a mapping, or the first of a tuple.

    Raises:
        ValueError: if there is none.
    """
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


def logits_of(outputs: Any, *, behind_loss: bool = False) -> torch.Tensor | None:
    """The logits [B, T, V] among a model's outputs, if there are any; in a tuple they come first,
    or `behind_loss`.
    """
    if isinstance(outputs, torch.Tensor):
        return outputs
    if isinstance(outputs, Mapping):
        return outputs.get("logits")
    place = int(behind_loss)
    return outputs[place] if len(outputs) > place else None


def as_output(outputs: Any) -> Any:
    """Outputs as a loss function of transformers expects them: with `.logits`."""
    if isinstance(outputs, torch.Tensor):
        from transformers.modeling_outputs import CausalLMOutput

        return CausalLMOutput(logits=outputs)
    return outputs
