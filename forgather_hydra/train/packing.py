"""Whether a model keeps the documents of a row apart, tried out on the first packed batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import torch

from forgather_hydra.train.checkpoint.rng import preserved_rng

Logits = Callable[[dict[str, Any]], torch.Tensor | None]

# What the document before may change, as a share of what the document's own first token changes:
# rounding, which in a mixture of experts depends on all of a row.
_ROUNDING = {torch.float32: 0.05, torch.float64: 0.05}
_COARSE_ROUNDING = 0.5
# Tokens on either side of where a document begins: what sees any before sees the nearest.
_NEAR = 16


class Document(NamedTuple):
    """A document behind another one, in a row of a batch: tokens `start` to `end`."""

    row: int
    start: int
    end: int


def second_document(batch: Mapping[str, Any]) -> Document | None:
    """The first document of 2 tokens or more that is not the first of its row, if there is one."""
    positions = batch.get("position_ids")
    if positions is None or positions.shape != batch["input_ids"].shape:
        return None
    length = positions.shape[1]
    for row, starts in enumerate(positions[:, 1:].diff(prepend=positions[:, :1]) != 1):
        bounds = [*(starts.nonzero().flatten() + 1).tolist(), length]
        for start, end in pairwise(bounds):
            if end - start > 1:
                return Document(row, start, end)
    return None


@torch.no_grad()
def check_documents_apart(
    model: torch.nn.Module, batch: Mapping[str, Any], document: Document, logits: Logits
) -> None:
    """Changes the tokens right before a document and compares its first logits.

    Args:
        logits: batch -> logits [B, T, V], in evaluation mode; None where the model has none.

    Raises:
        ValueError: if the model lets the document see what is before it.
    """
    start = min(document.start, _NEAR)  # in the part that is looked at
    end = start + min(document.end - document.start, _NEAR)
    begin = document.start - start
    one = _part_of_row(batch, document.row, slice(begin, begin + end))
    ids = one["input_ids"][0]

    def seen(first: int, last: int) -> torch.Tensor | None:
        changed = ids.clone()
        changed[first:last] = (changed[first:last] + 1) % (int(ids.max()) + 1)
        found = logits({**one, "input_ids": changed[None]})
        return None if found is None else found[0, start + 1 : end].double()

    was_training = model.training
    model.eval()
    with preserved_rng(), torch.compiler.set_stance("force_eager"):
        alone, after_another, with_another_start = (
            seen(0, 0),
            seen(0, start),
            seen(start, start + 1),
        )
    model.train(was_training)
    if alone is None or after_another is None or with_another_start is None:
        return
    rounding = _ROUNDING.get(next(model.parameters()).dtype, _COARSE_ROUNDING)
    change = (after_another - alone).abs().max()
    if change > rounding * (with_another_start - alone).abs().max():
        raise ValueError(
            f"{type(model).__name__} lets the packed documents of a row see each other: leave out "
            "data.packed (the PackedCollator), or take a model that keeps them apart by "
            "position_ids, as those of this package do and those of transformers with attention"
        )


def _part_of_row(batch: Mapping[str, Any], row: int, tokens: slice) -> dict[str, Any]:
    """Some tokens of a row, with what the batch says of them: masks [B, 1, T, T], too."""
    rows, length = batch["input_ids"].shape

    def part(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.ndim == 0 or len(value) != rows:
            return value
        sizes = value.shape[1:]
        return value[(slice(row, row + 1), *(tokens if n == length else slice(n) for n in sizes))]

    return {name: part(value) for name, value in batch.items()}
