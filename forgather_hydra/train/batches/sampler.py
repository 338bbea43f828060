"""Batch order as a function of (seed, epoch), with a position that can be saved and restored."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler

logger = logging.getLogger(__name__)

BUCKET = 50  # batches


class Indices(list[int]):
    """The samples of a batch, and its place in the run: epoch, and number of its first sample."""

    def __init__(self, indices: Iterable[int], place: tuple[int, int]) -> None:
        super().__init__(indices)
        self.place = place


class ResumableBatchSampler(Sampler[list[int]]):
    """Yields lists of dataset indices, starting at `position` samples into the current epoch.

    Processes share out each batch of `world_size * batch_size` samples in consecutive parts, as
    equal as can be: an incomplete last one may leave a process with an empty list, but no process
    has fewer lists than another.

    With `lengths`, batches are of samples of about equal length: those of `BUCKET` batches of the
    order are sorted by length, and cut into batches that are shuffled.

    The position only moves when `advance` reports batches as trained on, so batches that loader
    workers have fetched ahead are not counted and a resumed run trains on each sample once.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool,
        drop_last: bool,
        rank: int = 0,
        world_size: int = 1,
        lengths: np.ndarray | None = None,
    ) -> None:
        self.rank = rank
        self.world_size = world_size
        self.batch_size = batch_size * world_size  # of all processes
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0
        self.position = 0
        self.length = length
        self.lengths = lengths
        self.drop_last = drop_last
        self.usable = self._usable_from(0)
        self.bucket_batch = self.batch_size  # of the current epoch, whose order depends on it

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        return -(-self._usable_from(0) // self.batch_size)

    @property
    def batches(self) -> int:
        return len(self)

    @property
    def batches_left(self) -> int:
        return -(-max(0, self.usable - self.position) // self.batch_size)

    @property
    def share_done(self) -> float:
        return self.position / self.usable if self.usable else 1.0

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        for start in range(self.position, self.usable, self.batch_size):
            size = min(self.batch_size, self.usable - start)
            begin, end = (size * part // self.world_size for part in (self.rank, self.rank + 1))
            yield Indices(order[start + begin : start + end].tolist(), (self.epoch, start + begin))

    def advance(self, batches: int) -> None:
        """Counts batches as trained on."""
        self.position = min(self.position + batches * self.batch_size, self.usable)

    def next_epoch(self) -> None:
        self.epoch += 1
        self.position = 0
        self.usable = self._usable_from(0)
        self.bucket_batch = self.batch_size

    def _usable_from(self, position: int) -> int:
        """Samples of an epoch of which those behind `position` make whole batches, if they must."""
        left = self.length - position
        return self.length - left % self.batch_size if self.drop_last else self.length

    @property
    def exhausted(self) -> bool:
        return self.position >= self.usable

    def state_dict(self) -> dict[str, Any]:
        names = ("seed", "epoch", "position", "shuffle", "length", "bucket_batch")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where `state` was taken, with its seed and order.

        Raises:
            ValueError: if the dataset has another length, which makes the position meaningless.
        """
        if state["length"] != self.length:
            raise ValueError(
                f"the checkpoint was trained on {state['length']} samples and the training set now "
                f"has {self.length}: resume with the same data, or start a new run"
            )
        for name in ("seed", "shuffle"):
            if state[name] != getattr(self, name):
                logger.warning(
                    "the order of the data goes on as it began, with %s %s instead of %s",
                    name, state[name], getattr(self, name),
                )  # fmt: skip
        for name in ("seed", "epoch", "position", "shuffle"):
            setattr(self, name, state[name])
        # Not in the first checkpoints, whose batch could not change within an epoch.
        self.bucket_batch = state.get("bucket_batch", self.batch_size)
        self.usable = self._usable_from(self.position)

    def _order(self) -> np.ndarray:
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(self.length) if self.shuffle else np.arange(self.length)
        return order if self.lengths is None else self._in_buckets(order, random)

    def _in_buckets(self, order: np.ndarray, random: np.random.Generator) -> np.ndarray:
        size = BUCKET * self.bucket_batch
        for start in range(0, self.length, size):
            bucket = order[start : start + size]
            bucket = bucket[np.argsort(self.lengths[bucket], kind="stable")]  # type: ignore[index]
            whole = len(bucket) // self.bucket_batch * self.bucket_batch
            batches = bucket[:whole].reshape(-1, self.bucket_batch)
            if self.shuffle:
                batches = random.permutation(batches)
            order[start : start + size] = [*batches.ravel(), *bucket[whole:]]
        return order
