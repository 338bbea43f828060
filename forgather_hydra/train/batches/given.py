"""Training data that come from a loader of the user's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np

from forgather_hydra.train.batches.loading import EVALUATION, Batch, empty_batch
from forgather_hydra.train.checkpoint.rng import preserved_rng, seed_everything


class GivenLoader:
    """Batches of any loader, and how far training has come in it: loader and sampler.

    Processes take turns: of W processes each has one of W batches. What the loader draws when it
    starts, such as an order, follows from the seed and the epoch, so that a resumed run finds its
    place by reading up to it again.
    """

    def __init__(self, loader: Any, *, seed: int, rank: int, world_size: int) -> None:
        self.loader = loader
        self.seed = seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.position = 0  # batches of the loader, of all processes
        self._size: int | None = len(loader) if hasattr(loader, "__len__") else None
        self._ended = False

    def __iter__(self) -> Iterator[Batch]:
        self._ended = False
        if hasattr(self.loader, "set_epoch"):
            self.loader.set_epoch(self.epoch)
        batches = _begun(self.loader, (self.seed, self.epoch), self.position)
        while turn := list(islice(batches, self.world_size)):
            turn += [empty_batch()] * (self.world_size - len(turn))
            yield dict(turn[self.rank])
        self._ended = True

    def advance(self, batches: int) -> None:
        """Counts batches as trained on."""
        self.position += batches * self.world_size

    def next_epoch(self) -> None:
        self.epoch += 1
        self.position = 0

    @property
    def batches(self) -> int | None:
        return None if self._size is None else math.ceil(self._size / self.world_size)

    @property
    def batches_left(self) -> int:
        return math.ceil(max(0, (self._size or 0) - self.position) / self.world_size)

    @property
    def share_done(self) -> float:
        return min(1.0, self.position / self._size) if self._size else 0.0

    @property
    def exhausted(self) -> bool:
        return self._ended or (self._size is not None and self.position >= self._size)

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where `state` was taken."""
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]


class SharedOut:
    """The batches of a loader for evaluation that are this process's: all have as many."""

    def __init__(self, loader: Any, *, seed: int, rank: int, world_size: int) -> None:
        self.loader = loader
        self.seed = seed
        self.rank, self.world_size = rank, world_size

    def __iter__(self) -> Iterator[Batch]:
        batches = _begun(self.loader, (self.seed, EVALUATION), 0)
        while turn := list(islice(batches, self.world_size)):
            turn += [empty_batch()] * (self.world_size - len(turn))
            yield dict(turn[self.rank])


def _begun(loader: Any, seeds: tuple[int, int], position: int) -> Iterator[Batch]:
    """The batches behind the first `position`."""
    # A loader draws its order when it gives its first batch.
    with preserved_rng():
        seed_everything(int(np.random.SeedSequence(seeds).generate_state(1)[0]))
        batches = iter(loader)
        read = list(islice(batches, position + 1))[position:]
    return chain(read, batches)
