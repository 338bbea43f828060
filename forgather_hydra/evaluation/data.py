"""Loss, perplexity and bits per byte of a model on a data set."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from forgather_hydra.evaluation.token_bytes import token_bytes
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.batches.collator import stack
from forgather_hydra.train.batches.loading import Batch, first_samples
from forgather_hydra.train.evaluation import perplexity
from forgather_hydra.train.loss import IGNORE_INDEX
from forgather_hydra.train.trainer import Trainer


def evaluate_data(
    model: Any,
    tokenizer: Any,
    dataset: Any,
    collate: Callable[[list[Any]], Batch] | None = None,
    *,
    batch_size: int = 16,
    limit: int | None = None,
    device: str | None = None,
) -> dict[str, float]:
    """How well a model predicts the targets of a data set.

    Args:
        model: as the trainer takes one.
        tokenizer: that of the model, by which the bytes of a token are known.
        dataset: as the trainer takes one; its samples were made by this tokenizer.
        collate: samples -> batch of tensors [B, T]; stacks by default.
        batch_size: samples at a time; the results depend on it by rounding alone.
        limit: so many samples from the beginning; None for all.
        device: as of the training arguments.

    Returns:
        `loss` in nats a token, `perplexity`, `tokens` and `bytes` of the targets, and
        `bits_per_byte`, which depends on no tokenizer. Special tokens, such as the end of a
        document, count among the tokens and have no bytes.

    Raises:
        ValueError: there is no target, or none that stands for text.
    """
    counted = _Counted(collate or stack)
    args = TrainingArguments(per_device_eval_batch_size=batch_size, device=device)
    trainer = Trainer(
        args=args, model=model, data_collator=counted, processing_class=tokenizer, callbacks=[]
    )
    samples = dataset if limit is None else first_samples(dataset, limit)
    loss = trainer.evaluate(samples)["eval_loss"]
    tokens, size = counted.tokens, counted.bytes(tokenizer)
    if not size:
        raise ValueError("no target stands for text, so there are no bytes to divide by")
    return {
        "loss": loss,
        "perplexity": perplexity(loss),
        "bits_per_byte": loss * tokens / math.log(2) / size,
        "tokens": tokens,
        "bytes": size,
    }


class _Counted:
    """A collator that counts how often each token is a target."""

    def __init__(self, collate: Callable[[list[Any]], Batch]) -> None:
        self.collate = collate
        self.counts = np.zeros(0, dtype=np.int64)

    def __call__(self, samples: list[Any]) -> Batch:
        batch = self.collate(samples)
        targets = batch.get("labels", batch["input_ids"])[:, 1:]
        found = torch.bincount(targets[targets != IGNORE_INDEX]).numpy()
        self.counts, shorter = sorted((self.counts, found), key=len, reverse=True)
        self.counts[: len(shorter)] += shorter
        return batch

    @property
    def tokens(self) -> int:
        return int(self.counts.sum())

    def bytes(self, tokenizer: Any) -> int:
        ids = np.flatnonzero(self.counts)
        sizes = np.array(token_bytes(tokenizer, ids.tolist()), dtype=np.int64)
        return int(self.counts[ids] @ sizes)
