"""Data loaders for training and evaluation that leave the training random numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Subset

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.batches.sampler import Indices, ResumableBatchSampler
from forgather_hydra.train.batches.stream import StreamLoader
from forgather_hydra.train.batches.worker import SeededDataset, fetch

if TYPE_CHECKING:
    from forgather_hydra.train.parallel.base import Strategy

Batch = dict[str, torch.Tensor]
Samples = Iterable[Mapping[str, Any]] | Dataset[Any]
Collator = Callable[[list[Any]], Batch]

EVALUATION = 2**32  # in the place of an epoch, for the random numbers of an evaluation


def training_data(
    args: TrainingArguments, dataset: Any, collate: Collator, strategy: Strategy
) -> tuple[Any, Any]:
    """Sampler and loader of this process; for a dataset without length, one object is both.

    Raises:
        ValueError: if there is no training data, or not enough for one batch, or `max_steps` is
            needed and not given.
    """
    if dataset is None:
        raise ValueError("there is nothing to train on: give the trainer a train_dataset")
    if args.max_train_samples is not None:
        dataset = first_samples(dataset, args.max_train_samples)
    collate = partial(_collate_any, collate)
    if is_stream(dataset):
        stream = _stream_loader(args, dataset, collate, strategy)
        return stream, stream
    sampler = _training_sampler(args, dataset, strategy)
    return sampler, _loader(args, dataset, sampler, collate)


def is_stream(dataset: Any) -> bool:
    """Whether samples come in their own order only, and are not got by their number.

    Raises:
        ValueError: if they come in neither way.
    """
    if isinstance(dataset, Mapping):
        names = ", ".join(map(str, dataset))
        raise ValueError(f"the data set is a mapping of several ({names}): give one of them")
    by_number = hasattr(dataset, "__getitem__") and length_of(dataset) is not None
    if by_number and not isinstance(dataset, IterableDataset):
        return False
    if not hasattr(dataset, "__iter__"):
        raise ValueError(
            f"{type(dataset).__name__} cannot be read as a data set: it needs __len__ and "
            "__getitem__, or __iter__ (call a function that yields samples, and give the result)"
        )
    return True


def first_samples(dataset: Any, count: int) -> Any:
    """The first samples of a data set or a stream, as many as it has at most."""
    if is_stream(dataset):
        return list(islice(dataset, count))
    return Subset(dataset, range(min(count, len(dataset))))


def length_of(dataset: Any) -> int | None:
    """Number of samples, if the data set says so."""
    try:
        return len(dataset)
    except (TypeError, NotImplementedError):
        return None


def _training_sampler(
    args: TrainingArguments, dataset: Any, strategy: Strategy
) -> ResumableBatchSampler:
    sampler = ResumableBatchSampler(
        len(dataset),
        args.per_device_train_batch_size,
        seed=args.seed if args.data_seed is None else args.data_seed,
        shuffle=args.shuffle,
        drop_last=args.dataloader_drop_last,
        rank=strategy.replica,
        world_size=strategy.replicas,
        lengths=sample_lengths(dataset) if args.group_by_length else None,
    )
    if len(sampler) == 0:
        raise ValueError(
            f"the training set has {len(dataset)} samples, less than a batch of"
            f" {sampler.batch_size}: lower per_device_train_batch_size,"
            " unset dataloader_drop_last, or give more data"
        )
    return sampler


def sample_lengths(dataset: Any) -> np.ndarray:
    """Tokens of each sample: the dataset's own `lengths`, or counted by reading all of it."""
    if hasattr(dataset, "lengths"):
        return np.asarray(dataset.lengths)
    return np.array([len(dataset[index]["input_ids"]) for index in range(len(dataset))])


def _stream_loader(
    args: TrainingArguments, dataset: Any, collate: Collator, strategy: Strategy
) -> StreamLoader:
    length = length_of(dataset)
    if args.max_steps < 0 and length is None:
        raise ValueError("the training set has no length: say how long to train with max_steps")
    if args.group_by_length:
        raise ValueError("group_by_length needs samples that can be got by number: leave it out")
    return StreamLoader(
        dataset,
        args.per_device_train_batch_size,
        collate,
        length=length,
        drop_last=args.dataloader_drop_last,
        rank=strategy.replica,
        world_size=strategy.replicas,
        prefetch=args.dataloader_num_workers * (args.dataloader_prefetch_factor or 2),
    )


def check_evaluation_data(dataset: Any) -> None:
    """Raises ValueError for what cannot be evaluated, as far as can be told without reading it."""
    if not is_stream(dataset) and len(dataset) == 0:
        raise ValueError("the evaluation set is empty: give it data, or leave eval_dataset out")


def evaluation_loader(
    args: TrainingArguments, dataset: Any, collate: Collator, strategy: Strategy
) -> DataLoader[Batch]:
    """Loader in dataset order of every `replicas`th of the batches to evaluate.

    Batches are those of a single process, whatever the number of replicas. All of them have as
    many: an empty one fills up. A stream is read into memory, as far as `max_eval_steps` says.

    Raises:
        ValueError: if the dataset is empty.
    """
    if is_stream(dataset):
        dataset = evaluation_samples(args, dataset)
    check_evaluation_data(dataset)
    batches = BatchSampler(range(len(dataset)), args.per_device_eval_batch_size, drop_last=False)
    places = ((EVALUATION, number) for number in count())
    chosen = list(map(Indices, islice(batches, _batch_limit(args)), places))
    chosen += [Indices([], place) for place in islice(places, -len(chosen) % strategy.replicas)]
    mine = chosen[strategy.replica :: strategy.replicas]
    return _loader(args, dataset, mine, partial(_collate_any, collate))


def evaluation_samples(args: TrainingArguments, stream: Iterable[Any]) -> list[Any]:
    """As much of a stream as is evaluated."""
    limit = _batch_limit(args)
    return list(islice(stream, limit and limit * args.per_device_eval_batch_size))


def _batch_limit(args: TrainingArguments) -> int | None:
    return args.max_eval_steps if args.max_eval_steps > 0 else None


def _loader(
    args: TrainingArguments, dataset: Any, batches: Any, collate: Collator
) -> DataLoader[Batch]:
    seeded: Any = SeededDataset(dataset, args.seed) if args.dataloader_num_workers else dataset
    return DataLoader(seeded, batch_sampler=batches, collate_fn=collate, **_worker_options(args))


def accumulation_groups(
    loader: Iterable[Batch], size: int, *, pin: bool = False
) -> Iterator[list[Batch]]:
    """The rest of an epoch in groups of `size` batches, one optimizer step each; the last may be
    smaller.

    Args:
        pin: whether batches lie in memory from which a GPU copies by itself. From any other, a copy
            has the host wait for all that the GPU has to do before.
    """
    batches = map(_pinned, _batches(loader)) if pin else _batches(loader)
    try:
        while group := list(islice(batches, size)):
            yield group
    except Exception as error:
        error.add_note("The training data could not be read to the end.")
        raise


def _batches(loader: Any) -> Iterator[Batch]:
    """What `loader` yields; straight from the dataset where it has nothing to do besides."""
    if not isinstance(loader, DataLoader) or loader.num_workers:
        return iter(loader)
    dataset: Any = loader.dataset
    chosen: Any = loader.batch_sampler
    samples = fetch(dataset)
    return (loader.collate_fn(samples(indices)) for indices in chosen)


def _pinned(batch: Batch) -> Batch:
    return {
        name: value.pin_memory() if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
    }


def pins_batches(args: TrainingArguments) -> bool:
    """Whether batches are to be pinned, as they go to a GPU."""
    to_gpu = not args.use_cpu and args.device != "cpu" and torch.cuda.is_available()
    return args.dataloader_pin_memory and to_gpu


def _collate_any(collate: Collator, samples: list[Any]) -> Batch:
    """Also makes a batch where a process has no sample.

    Raises:
        TypeError, ValueError: for a batch that is none of a language model.
    """
    return _checked(collate(samples)) if samples else empty_batch()


def _checked(batch: Any) -> Batch:
    if not isinstance(batch, Mapping):
        raise TypeError(
            f"the data_collator returned a {type(batch).__name__}, and a batch is a mapping such "
            'as {"input_ids": LongTensor[B, T]}'
        )
    ids, labels = (batch.get(name) for name in ("input_ids", "labels"))
    if ids is None:
        raise ValueError(
            f"a batch has no input_ids [B, T], by which tokens are counted; it has "
            f"{', '.join(map(str, batch))}: name them so in the data set or the data_collator"
        )
    if labels is not None and labels.ndim < 2:
        raise ValueError(
            f"labels of a batch have the shape {list(labels.shape)}, and a language model has one "
            "for each token, [B, T]: leave out what is no token, or give it another name"
        )
    made = cast("Batch", batch)
    return made


def empty_batch() -> Batch:
    """What a process has that no sample is left for."""
    return {"input_ids": torch.empty(0, 1, dtype=torch.long)}


def _worker_options(args: TrainingArguments) -> dict[str, Any]:
    return {
        "num_workers": args.dataloader_num_workers,
        "pin_memory": pins_batches(args),
        "persistent_workers": args.dataloader_persistent_workers,
        "prefetch_factor": args.dataloader_prefetch_factor,
        # A loader draws worker seeds when it starts; from a generator of its own, so that starting
        # one more loader (an evaluation, a resumption) does not shift the model's random numbers.
        "generator": torch.Generator(),
    }
