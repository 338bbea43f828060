"""What a dataset holds, in numbers: samples, tokens, lengths."""

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Summary(NamedTuple):
    """Of the samples read.

    Attributes:
        samples: number of samples, None for a stream.
        tokens: in all of the samples read.
        read: how many samples were read.
        counted: what the lengths are of: "documents" where rows are cut from a run of documents.
        lengths: in tokens.
    """

    samples: int | None
    tokens: int
    read: int
    counted: str
    lengths: NDArray[np.int64]


def summarize(dataset: Any, eos_token_id: int | None, limit: int) -> Summary:
    """Reads at most `limit` samples from the beginning.

    Where they are `rows` cut from one run of documents, the lengths are those of the documents,
    each ending with `eos_token_id`; the last one, which may be cut, is left out.
    """
    samples = len(dataset) if hasattr(dataset, "__len__") else None
    rows = first_rows(dataset, limit)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    tokens = int(lengths.sum())
    if hasattr(dataset, "rows"):
        ends = np.flatnonzero(np.concatenate(rows) == eos_token_id)
        if len(ends):
            return Summary(samples, tokens, len(rows), "documents", np.diff(ends, prepend=-1))
    return Summary(samples, tokens, len(rows), "samples", lengths)


def first_rows(dataset: Any, count: int) -> list[NDArray[Any]]:
    """The tokens of the first samples of a dataset or a stream; of ours, read without torch."""
    if not hasattr(dataset, "__len__"):
        return [np.asarray(sample["input_ids"]) for sample in islice(dataset, count)]
    indices = range(min(count, len(dataset)))
    if hasattr(dataset, "tokens"):
        return [dataset.tokens(index) for index in indices]
    return [np.asarray(dataset[index]["input_ids"]) for index in indices]


def histogram(lengths: Sequence[int] | NDArray[Any], bins: int = 10) -> list[tuple[int, int, int]]:
    """`(least, greatest, how many)` of equally wide ranges that hold all lengths."""
    least, greatest = int(np.min(lengths)), int(np.max(lengths))
    width = -(-(greatest - least + 1) // bins)
    edges = np.arange(least, greatest + width + 1, width)
    counts, _ = np.histogram(lengths, edges)
    return [
        (int(edge), int(edge) + width - 1, int(count))
        for edge, count in zip(edges, counts, strict=False)
    ]
