"""Random numbers of loader workers: a function of the seed and of a batch's place in the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch.utils.data import get_worker_info

from forgather_hydra.train.batches.sampler import Indices
from forgather_hydra.train.checkpoint.rng import seed_everything


class SeededDataset:
    """A data set whose samples are drawn, in a worker, from generators seeded for each batch.

    So what a data set draws depends neither on the number of workers nor on what they have fetched
    before, and is the same after a resumption. Processes share out the samples of a batch, so that
    no two of them have a place in common. In the process that trains, a data set draws from the
    generators that checkpoints keep.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Indices) -> list[Any]:
        if get_worker_info() is not None:
            mixed = np.random.SeedSequence([self.seed, *indices.place])
            seed_everything(int(mixed.generate_state(1, np.uint64)[0] >> 1))
        samples: list[Any] = fetch(self.dataset)(indices)
        return samples


def fetch(dataset: Any) -> Callable[[list[int]], list[Any]]:
    """How to get several samples of a data set."""
    all_at_once = getattr(dataset, "__getitems__", None)
    return all_at_once or (lambda indices: [dataset[index] for index in indices])
