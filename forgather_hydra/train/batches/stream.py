"""Training data that come as a stream: batches, and a position that can be saved and restored."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from forgather_hydra.train.checkpoint.rng import preserved_rng

T = TypeVar("T")

Position = dict[str, Any]  # `samples` taken in this epoch, and the stream's own `state`, or None


class StreamLoader:
    """Batches of an iterable dataset, and how far training has come in it: loader and sampler.

    Every process reads the whole stream in its order and keeps its share of each batch of
    `world_size * batch_size` samples, so that order and position do not depend on the number of
    processes. A resumed run starts from the stream's own `state_dict()` where it has an exact one,
    and otherwise reads up to its position again. When the stream ends, the next epoch begins, with
    `set_epoch(epoch)` if the stream has such a method.

    Args:
        dataset: iterable over samples.
        batch_size: samples of one process in a batch.
        collate: samples -> batch of tensors.
        length: samples in an epoch, if known.
        prefetch: batches that a thread makes ahead. A stream has one reader, in this process: in
            workers it would have another order.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        collate: Any,
        *,
        length: int | None = None,
        drop_last: bool,
        rank: int,
        world_size: int,
        prefetch: int = 0,
    ) -> None:
        self.dataset = dataset
        self.prefetch = prefetch
        self.shares = (rank, world_size)
        self.batch_size = batch_size * world_size
        self.collate = collate
        self.drop_last = drop_last
        self.length = length
        self.epoch = 0
        self.position: Position = {"samples": 0, "state": None}
        self._ended = False
        self._fetched: deque[Position] = deque()

    def __iter__(self) -> Iterator[Any]:
        self._ended = False
        self._fetched.clear()
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(self.epoch)
        empty = self.position["samples"] == 0
        for batch, position in _ahead(self._read(), self.prefetch):
            empty = False
            self._fetched.append(position)
            yield batch
        if empty and self.epoch and isinstance(self.dataset, Iterator):
            raise ValueError(
                "the training data is an iterator, which has come to its end and cannot begin "
                "again: give an iterable that can, such as a class with __iter__, or train for "
                "fewer steps"
            )
        if empty:
            raise ValueError(f"the training stream has no batch of {self.batch_size} samples")
        self._ended = True

    def _read(self) -> Iterator[tuple[Any, Position]]:
        """The rest of the epoch: this process's batch and the position after it."""
        dataset = self.dataset
        taken, state = self.position["samples"], self.position["state"]
        exact = _has_exact_state(dataset)
        if exact:
            dataset = copy.copy(dataset)  # a position set in it is not for later epochs
        if state is not None:
            dataset.load_state_dict(state)
        stream = iter(dataset)
        if state is None:
            with preserved_rng():
                next(islice(stream, taken, taken), None)  # read again
        rank, world_size = self.shares
        while samples := list(islice(stream, self.batch_size)):
            size = len(samples)
            if size < self.batch_size and self.drop_last:
                return
            taken += size
            begin, end = (size * part // world_size for part in (rank, rank + 1))
            now = {"samples": taken, "state": dataset.state_dict() if exact else None}
            yield self.collate(samples[begin:end]), now

    def advance(self, batches: int) -> None:
        """Counts batches as trained on."""
        for _ in range(batches):
            self.position = self._fetched.popleft()

    def next_epoch(self) -> None:
        self.epoch += 1
        self.position = {"samples": 0, "state": None}

    @property
    def batches(self) -> int | None:
        return None if self.length is None else self._batches_of(self.length)

    @property
    def batches_left(self) -> int:
        return self._batches_of(max(0, (self.length or 0) - self.position["samples"]))

    @property
    def share_done(self) -> float:
        return self.position["samples"] / self.length if self.length else 0.0

    def _batches_of(self, samples: int) -> int:
        size = self.batch_size
        return samples // size if self.drop_last else -(-samples // size)

    @property
    def exhausted(self) -> bool:
        return self._ended and not self._fetched

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where `state` was taken."""
        self.epoch, self.position = state["epoch"], state["position"]


def _ahead(items: Iterator[T], depth: int) -> Iterator[T]:
    """The items, up to so many of which are made in a thread before they are asked for."""
    if not depth:
        yield from items
        return
    with ThreadPoolExecutor(1, thread_name_prefix="stream") as thread:
        coming = deque(thread.submit(next, items, None) for _ in range(depth))
        while (item := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, items, None))
            yield item


def _has_exact_state(dataset: Any) -> bool:
    """Whether the state of a stream is a place in it.

    That of a stream of the `datasets` library is not where it shuffles: what is in the buffer would
    be left out.
    """
    return hasattr(dataset, "state_dict") and not _shuffles(getattr(dataset, "_ex_iterable", None))


def _shuffles(examples: Any) -> bool:
    if examples is None:
        return False
    inner = [getattr(examples, "ex_iterable", None), *getattr(examples, "ex_iterables", ())]
    return type(examples).__name__ == "BufferShuffledExamplesIterable" or any(map(_shuffles, inner))
