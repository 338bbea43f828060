"""Data loaders for training and evaluation that leave the training random numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset

from .arguments import TrainingArguments
from .sampler import ResumableBatchSampler

if TYPE_CHECKING:
    from .strategy import Strategy

Batch = dict[str, torch.Tensor]
Collator = Callable[[list[Any]], Batch]


def training_sampler(
    args: TrainingArguments, dataset: Any, strategy: Strategy
) -> ResumableBatchSampler:
    """Sampler of this process's replica over a map-style dataset.

    Raises:
        ValueError: if there is no training data, or not enough for one batch.
    """
    if dataset is None:
        raise ValueError("there is nothing to train on: give the trainer a train_dataset")
    sampler = ResumableBatchSampler(
        len(dataset),
        args.per_device_train_batch_size,
        seed=args.seed if args.data_seed is None else args.data_seed,
        shuffle=args.shuffle,
        drop_last=args.dataloader_drop_last,
        rank=strategy.replica,
        world_size=strategy.replicas,
    )
    if len(sampler) == 0:
        raise ValueError(
            f"the training set has {len(dataset)} samples, less than a batch of"
            f" {sampler.batch_size}: lower per_device_train_batch_size,"
            " unset dataloader_drop_last, or give more data"
        )
    return sampler


def training_loader(
    args: TrainingArguments,
    dataset: Dataset[Any],
    sampler: ResumableBatchSampler,
    collate: Collator,
) -> DataLoader[Batch]:
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=partial(_collate_any, collate),
        **_worker_options(args),
    )


def evaluation_loader(
    args: TrainingArguments, dataset: Any, collate: Collator, strategy: Strategy
) -> DataLoader[Batch]:
    """Loader in dataset order of every `replicas`th of the batches to evaluate.

    Batches are those of a single process, whatever the number of replicas. All of them have as
    many: an empty one fills up.

    Raises:
        ValueError: if the dataset is empty.
    """
    if len(dataset) == 0:
        raise ValueError("the evaluation set is empty: give it data, or leave eval_dataset out")
    limit = args.max_eval_steps if args.max_eval_steps > 0 else None
    batches = BatchSampler(range(len(dataset)), args.per_device_eval_batch_size, drop_last=False)
    chosen = list(islice(batches, limit))
    chosen += [[]] * (-len(chosen) % strategy.replicas)
    return DataLoader(
        dataset,
        batch_sampler=chosen[strategy.replica :: strategy.replicas],
        collate_fn=partial(_collate_any, collate),
        **_worker_options(args),
    )


def accumulation_groups(loader: DataLoader[Batch], size: int) -> Iterator[list[Batch]]:
    """The rest of an epoch in groups of `size` batches, one optimizer step each; the last may be
    smaller."""
    batches = iter(loader)
    try:
        while group := list(islice(batches, size)):
            yield group
    except Exception as error:
        error.add_note("The training data could not be read to the end.")
        raise


def _collate_any(collate: Collator, samples: list[Any]) -> Batch:
    """Also makes a batch where a process has no sample."""
    return collate(samples) if samples else {"input_ids": torch.empty(0, 1, dtype=torch.long)}


def _worker_options(args: TrainingArguments) -> dict[str, Any]:
    return {
        "num_workers": args.dataloader_num_workers,
        "pin_memory": args.dataloader_pin_memory and not args.use_cpu and torch.cuda.is_available(),
        "persistent_workers": args.dataloader_persistent_workers,
        "prefetch_factor": args.dataloader_prefetch_factor,
        # A loader draws worker seeds when it starts; from a generator of its own, so that starting
        # one more loader (an evaluation, a resumption) does not shift the model's random numbers.
        "generator": torch.Generator(),
    }
