"""Collators: samples of token ids to batches of tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from forgather_hydra.limits import Count
from forgather_hydra.train.loss import IGNORE_INDEX

Samples = Sequence[Mapping[str, Any]]
Batch = dict[str, torch.Tensor]


def stack(samples: Samples) -> dict[str, Any]:
    """Joins samples of shape [T] into tensors of shape [B, T], key by key.

    Without `labels` the trainer uses `input_ids` as labels. What is no number, such as text, stays
    a list, which only a model gets that takes it.
    """
    check_samples(samples)
    return {key: _stacked(key, [_value(sample, key) for sample in samples]) for key in samples[0]}


def check_samples(samples: Sequence[Any]) -> None:
    """Raises:
    TypeError: for samples that are no mappings.
    """
    if not isinstance(samples[0], Mapping):
        raise TypeError(
            f"a sample is a {type(samples[0]).__name__}, and batches are made of mappings such as "
            '{"input_ids": LongTensor[T]}: have the data set return these, or give a data_collator'
        )


def _value(sample: Mapping[str, Any], key: str) -> Any:
    if key not in sample:
        raise ValueError(f"a sample has no {key!r}; it has {', '.join(map(str, sample))}")
    return sample[key]


def _stacked(key: str, values: list[Any]) -> Any:
    if not all(map(_is_numeric, values)):
        return values
    tensors = [torch.as_tensor(value) for value in values]
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if len(shapes) > 1:
        raise ValueError(
            f"samples of one batch have {key} of the shapes {', '.join(map(str, sorted(shapes)))}: "
            "give a data_collator that pads them, such as CausalCollator()"
        )
    return torch.stack(tensors)


def _is_numeric(value: Any) -> bool:
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, torch.Tensor | np.ndarray | np.generic | int | float | list | tuple)


class CausalCollator:
    """Pads samples of different lengths T on the right, to `input_ids` and `labels` of [B, max T].

    A sample has `input_ids` and perhaps `labels` of its own. What is padding has no target, and
    what is not has, also where it has the id of padding: an end of sequence stays a target where it
    serves as padding too. There is no attention mask: in a causal model no token sees what is to
    the right of it.

    Args:
        pad_token_id: id to pad with; any id of the vocabulary serves.
        max_length: longer samples are cut to their first so many tokens.
    """

    def __init__(self, pad_token_id: int = 0, max_length: Count | None = None) -> None:
        self.pad_token_id = pad_token_id
        self.max_length = max_length

    def __call__(self, samples: Samples) -> Batch:
        check_samples(samples)
        ids = [self._cut(_value(sample, "input_ids")) for sample in samples]
        labels = [self._cut(sample.get("labels", sample["input_ids"])) for sample in samples]
        return {
            "input_ids": pad_sequence(ids, True, self.pad_token_id),
            "labels": pad_sequence(labels, True, IGNORE_INDEX),
        }

    def _cut(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.long)[: self.max_length]


class PackedCollator(CausalCollator):
    """Keeps the documents of a row apart: as `CausalCollator`, with `position_ids` that start again
    at each document, by which our models mask attention between documents.

    The first token of a document is no target, as it does not follow from the document before.

    Args:
        eos_token_id: where a sample has no `document_starts`, a list of the indices at which its
            documents begin, they begin after each of these.
        pad_token_id, max_length: as for `CausalCollator`.
    """

    def __init__(
        self, eos_token_id: int, pad_token_id: int = 0, max_length: Count | None = None
    ) -> None:
        super().__init__(pad_token_id, max_length)
        self.eos_token_id = eos_token_id

    def __call__(self, samples: Samples) -> Batch:
        batch = super().__call__(samples)
        indices = torch.arange(batch["input_ids"].shape[1])
        lengths = torch.tensor([min(len(s["input_ids"]), len(indices)) for s in samples])[:, None]
        starts = self._starts(batch["input_ids"], samples) & (indices < lengths)
        starts |= indices == lengths  # padding is a document of its own
        first = torch.where(starts, indices, 0).cummax(dim=1).values
        batch["labels"].masked_fill_(starts, IGNORE_INDEX)
        return {**batch, "position_ids": indices - first}

    def _starts(self, ids: torch.Tensor, samples: Samples) -> torch.Tensor:
        """Whether a document begins at each index of the rows [B, T], but the first."""
        starts = torch.zeros_like(ids, dtype=torch.bool)
        starts[:, 1:] = ids[:, :-1] == self.eos_token_id
        for row, sample in zip(starts, samples, strict=True):
            if "document_starts" in sample:
                indices = torch.as_tensor(sample["document_starts"], dtype=torch.long)
                row.zero_()
                row[indices[(indices > 0) & (indices < len(row))]] = True
        return starts


def block_collator(tokenizer: Any, packed: bool) -> Callable[[Samples], Batch]:
    """For rows of equal length: `packed` keeps the documents in a row apart."""
    return PackedCollator(tokenizer.eos_token_id) if packed else stack


def conversation_collator(tokenizer: Any, packed: bool) -> CausalCollator:
    """For rows of conversations, of different lengths: `packed` keeps those of a row apart."""
    pad = tokenizer.pad_token_id
    pad = tokenizer.eos_token_id if pad is None else pad
    return PackedCollator(tokenizer.eos_token_id, pad) if packed else CausalCollator(pad)


def padding_collator(
    tokenizer: Any, truncation: bool = True, max_length: Count | None = None
) -> CausalCollator:
    """For rows of different lengths: padded to the longest, and cut to `max_length` tokens.

    Raises:
        ValueError: a length without truncation.
    """
    if max_length is not None and not truncation:
        raise ValueError("max_length cuts nothing without truncation: leave one of them out")
    pad = tokenizer.pad_token_id
    return CausalCollator(tokenizer.eos_token_id if pad is None else pad, max_length)
