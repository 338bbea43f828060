"""Several datasets as one, each with its share of the samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forgather_hydra.limits import Count


class MixedDataset:
    """A map-style dataset whose samples come from several, at random with given weights.

    Which sample has an index follows from the seed and the index alone, so that a run resumes as on
    any dataset with a length. A dataset that runs out begins again, in another order.

    Args:
        datasets: datasets with a length, by name.
        weights: share of the samples from each, by name; any positive numbers.
        length: samples in all; None for as many as the datasets have together.
        seed: of the choice.

    Raises:
        ValueError: a weight is missing or not positive, or a dataset is empty.
    """

    def __init__(
        self,
        datasets: Mapping[str, Any],
        weights: Mapping[str, float],
        length: Count | None = None,
        seed: int = 0,
    ) -> None:
        if datasets.keys() != weights.keys():
            raise ValueError(f"datasets are {', '.join(datasets)}; weights, {', '.join(weights)}")
        for name, dataset in datasets.items():
            if weights[name] <= 0 or len(dataset) == 0:
                raise ValueError(
                    f"dataset {name} has weight {weights[name]} and {len(dataset)} samples: "
                    "leave it out, or give more of both"
                )
        self.datasets = dict(datasets)
        length = sum(map(len, datasets.values())) if length is None else length
        shares = np.array([weights[name] for name in datasets], dtype=float)
        random = np.random.default_rng(seed)
        self._source = random.choice(len(shares), length, p=shares / shares.sum()).astype(np.uint16)
        self._index = np.empty(length, dtype=np.int64)
        for number, dataset in enumerate(datasets.values()):
            here = np.flatnonzero(self._source == number)
            self._index[here] = _passes(len(dataset), len(here), (seed, number))

    def counts(self) -> dict[str, int]:
        """Samples from each dataset."""
        counts = np.bincount(self._source, minlength=len(self.datasets)).tolist()
        return dict(zip(self.datasets, counts, strict=True))

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Any:
        dataset = list(self.datasets.values())[self._source[index]]
        return dataset[int(self._index[index])]


def _passes(size: int, count: int, seed: Sequence[int]) -> np.ndarray:
    """So many indices into a dataset: pass after pass, each in an order of its own."""
    random = np.random.default_rng(seed)
    passes = [random.permutation(size) for _ in range(-(-count // size))]
    return np.concatenate(passes)[:count] if passes else np.empty(0, dtype=np.int64)
