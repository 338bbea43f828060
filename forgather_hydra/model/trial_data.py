"""Batches to try a model with: random ids, or the samples of a dataset, packed or not.

Shapes: B batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from forgather_hydra.errors import error_like

IGNORE_INDEX = -100

Batch = dict[str, Tensor]
Row = list[list[int]]
"""The documents of a sequence, token ids each."""


def batches(
    dataset: Iterable[Any] | None,
    vocab_size: int,
    B: int,
    T: int,
    packed: bool,
    device: torch.device,
) -> Iterator[Batch]:
    """Batches of B sequences of at most T tokens: one of random ids, or those of the dataset.

    Packed, a sequence is T tokens of several documents, told apart by positions that start anew;
    else it is one document, cut off after T tokens or padded.

    Raises:
        ForgatherError: `bad_data` (also a ValueError), if the dataset does not fill one batch or
            its samples have no `input_ids`.
    """
    documents = _random_documents(vocab_size, B, T, packed) if dataset is None else _ids(dataset)
    rows = _pack(documents, T) if packed else ([ids[:T]] for ids in documents)
    empty = True
    while len(group := list(islice(rows, B))) == B:
        empty = False
        yield _to_tensors(group, packed, device)
    if empty:
        raise error_like(
            ValueError(), "bad_data", f"the dataset does not fill {B} sequences of {T} tokens"
        )


def _random_documents(vocab_size: int, B: int, T: int, packed: bool) -> Iterator[list[int]]:
    generator = torch.Generator().manual_seed(0)
    ids_BT = torch.randint(vocab_size, (B, T), generator=generator).tolist()
    cut = T // 3 if packed else T
    for ids in ids_BT:
        yield from filter(None, (ids[:cut], ids[cut:]))


def _ids(dataset: Iterable[Any]) -> Iterator[list[int]]:
    for sample in dataset:
        if "input_ids" not in sample:
            raise error_like(
                ValueError(),
                "bad_data",
                f"a sample of the dataset has {', '.join(sample)} but no input_ids",
                hint="give the samples of a tokenized dataset",
            )
        yield torch.as_tensor(sample["input_ids"]).tolist()


def _pack(documents: Iterator[list[int]], T: int) -> Iterator[Row]:
    """Fill sequences of T tokens with documents; one that does not fit goes on in the next."""
    row: Row = []
    room = T
    for ids in documents:
        while ids:
            row.append(ids[:room])
            ids, room = ids[room:], room - len(row[-1])
            if not room:
                yield row
                row, room = [], T


def _to_tensors(rows: list[Row], packed: bool, device: torch.device) -> Batch:
    ids = _pad([[i for document in row for i in document] for row in rows], 0, device)
    # The first token of a document cannot be told from the document before it.
    labels = _pad([[i for d in row for i in (IGNORE_INDEX, *d[1:])] for row in rows], -100, device)
    batch = {"input_ids": ids, "labels": labels}
    if packed:
        positions = [[i for document in row for i in range(len(document))] for row in rows]
        batch["position_ids"] = _pad(positions, 0, device)
    else:
        mask = [[1] * sum(map(len, row)) for row in rows]
        batch["attention_mask"] = _pad(mask, 0, device)
    return batch


def _pad(rows: list[list[int]], value: int, device: torch.device) -> Tensor:
    T = max(map(len, rows))
    return torch.tensor([row + [value] * (T - len(row)) for row in rows], device=device)
