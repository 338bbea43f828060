"""Training on streams: order, shares of processes, and exact positions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from datasets import Dataset, interleave_datasets
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import VOCABULARY, losses

from forgather_hydra.train.batches.stream import StreamLoader


class Counter:
    """A stream of numbers with a position, in an order of its own in each epoch."""

    def __init__(self, count: int) -> None:
        self.count, self.epoch, self.at, self.read = count, 0, 0, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        while self.at < self.count:
            self.at += 1
            yield 1000 * self.epoch + self.at - 1

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


def loader(dataset: Any, batch_size: int = 3, rank: int = 0, world_size: int = 1, **options: Any):
    drop_last = options.pop("drop_last", False)
    return StreamLoader(
        dataset, batch_size, list, drop_last=drop_last, rank=rank, world_size=world_size, **options
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 40),
    batch_size=st.integers(1, 5),
    world_size=st.integers(1, 4),
    stop=st.integers(0, 8),
    new_world_size=st.integers(1, 4),
)
def test_processes_share_a_stream_in_order_without_overlap_or_loss(
    count: int, batch_size: int, world_size: int, stop: int, new_world_size: int
) -> None:
    """Also when others go on from where they stopped."""
    seen: list[int] = []
    first = [loader(Counter(count), batch_size, r, world_size) for r in range(world_size)]
    for number, parts in enumerate(zip(*first, strict=True)):
        if number == stop:
            break
        seen += sum(parts, [])  # noqa: RUF017
        for each in first:
            each.advance(1)
    state = json.loads(json.dumps(first[0].state_dict()))
    assert all(each.state_dict() == state for each in first)
    then = [loader(Counter(count), batch_size, r, new_world_size) for r in range(new_world_size)]
    for each in then:
        each.load_state_dict(state)
    if len(seen) < count:
        seen += [n for parts in zip(*then, strict=True) for part in parts for n in part]
    assert seen == list(range(count))


def test_epochs_differ_and_an_incomplete_batch_may_be_dropped() -> None:
    data = loader(Counter(7), drop_last=True)
    assert list(data) == [[0, 1, 2], [3, 4, 5]]
    data.advance(2)
    assert data.exhausted
    data.next_epoch()
    assert list(data) == [[1000, 1001, 1002], [1003, 1004, 1005]]


def test_a_stream_without_a_batch_is_an_error_and_not_an_endless_loop() -> None:
    with pytest.raises(ValueError, match="no batch of 3 samples"):
        list(loader(Counter(0)))


def rows(count: int = 90, shards: int = 3, offset: int = 0) -> Any:
    ids = torch.randint(VOCABULARY, (count, 6), generator=torch.Generator().manual_seed(offset))
    table = Dataset.from_dict({"input_ids": ids.tolist()}).with_format("torch")
    return table.to_iterable_dataset(num_shards=shards)


STREAMS = {
    "plain": rows,
    "mapped": lambda: rows().map(lambda row: {"input_ids": row["input_ids"].flip(0)}),
    "shuffled": lambda: rows().shuffle(seed=3, buffer_size=20),
    "mixed": lambda: interleave_datasets(
        [rows(40, 2), rows(50, 3, offset=1)],
        probabilities=[0.7, 0.3],
        seed=5,
        stopping_strategy="all_exhausted",
    ),
}


@pytest.mark.parametrize(
    ("name", "workers"),
    [("plain", 0), ("mapped", 0), ("shuffled", 0), ("mixed", 0), ("mixed", 1), ("shuffled", 2)],
)
def test_a_resumed_run_equals_an_uninterrupted_one(make_trainer, name: str, workers: int) -> None:
    """Nineteen steps of eight rows: the stream of ninety begins again, step 6 is in mid-epoch."""
    options = {
        "max_steps": 19,
        "gradient_accumulation_steps": 2,
        "dataloader_num_workers": workers,
        "save_strategy": "steps",
        "save_steps": 6,
        "save_total_limit": None,
    }
    whole = make_trainer(**options, train_dataset=STREAMS[name]())
    whole.train()
    resumed = make_trainer(**options, train_dataset=STREAMS[name]())
    resumed.train(resume_from_checkpoint=whole.args.checkpoint_dir / "checkpoint-6")
    assert len(losses(whole)) == 19
    assert losses(resumed) == losses(whole)
    if workers:
        alone = make_trainer(
            **options | {"dataloader_num_workers": 0}, train_dataset=STREAMS[name]()
        )
        alone.train()
        assert losses(alone) == losses(whole)


def test_an_exact_position_is_not_read_again(make_trainer) -> None:
    read: list[int] = []

    def note(row: dict[str, Any], index: int) -> dict[str, Any]:
        read.append(index)
        return row

    options = {"max_steps": 5, "save_strategy": "steps", "save_steps": 4}
    make_trainer(**options, train_dataset=rows().map(note, with_indices=True)).train()
    read.clear()
    path = make_trainer(**options).args.checkpoint_dir / "checkpoint-4"
    resumed = make_trainer(**options, train_dataset=rows().map(note, with_indices=True))
    resumed.train(resume_from_checkpoint=path)
    assert min(read) >= 16


def test_a_stream_needs_a_number_of_steps(make_trainer) -> None:
    with pytest.raises(ValueError, match="max_steps"):
        make_trainer(train_dataset=rows()).train()


def test_an_evaluation_stream_is_read_as_far_as_needed(make_trainer) -> None:
    trainer = make_trainer(eval_dataset=rows(), max_eval_steps=2, per_device_eval_batch_size=5)
    listed = make_trainer(eval_dataset=list(rows().take(10)), per_device_eval_batch_size=5)
    assert trainer.evaluate() == listed.evaluate()
