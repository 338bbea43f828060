"""Order and position of the training data."""

from __future__ import annotations

import pytest
from toys import Rows, losses

from forgather_hydra.train.sampler import ResumableBatchSampler


def sampler(length: int = 10, batch_size: int = 3, **options) -> ResumableBatchSampler:
    defaults = {"seed": 1, "shuffle": True, "drop_last": False}
    return ResumableBatchSampler(length, batch_size, **defaults | options)


def test_an_epoch_visits_every_sample_once_in_an_order_of_its_own() -> None:
    data = sampler()
    first = [index for batch in data for index in batch]
    data.next_epoch()
    second = [index for batch in data for index in batch]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_order_depends_on_seed_and_epoch_separately() -> None:
    later = sampler(length=50)
    later.next_epoch()
    assert list(sampler(length=50)) == list(sampler(length=50))
    assert list(later) != list(sampler(length=50, seed=2))


def test_without_shuffling_the_order_is_the_dataset_s() -> None:
    assert list(sampler(shuffle=False)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_drop_last_leaves_out_the_incomplete_batch() -> None:
    data = sampler(shuffle=False, drop_last=True)
    assert [len(batch) for batch in data] == [3, 3, 3]
    assert len(data) == 3
    data.advance(3)
    assert data.exhausted


def test_position_counts_consumed_batches_not_fetched_ones() -> None:
    data = sampler()
    batches = iter(data)
    expected = [next(batches) for _ in range(4)]
    data.advance(1)
    restored = sampler(seed=99)
    restored.load_state_dict(data.state_dict())
    assert list(restored) == expected[1:]


def test_a_dataset_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10 samples and the training set now has 11"):
        sampler(length=11).load_state_dict(sampler().state_dict())


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_resume_mid_epoch_continues_with_the_same_batches(make_trainer, workers: int) -> None:
    options = {
        "max_steps": 9,
        "dataloader_num_workers": workers,
        "save_strategy": "steps",
        "save_steps": 4,
        "save_total_limit": 3,
    }
    whole = make_trainer(**options, train_dataset=Rows(23))
    whole.train()
    again = make_trainer(**options, train_dataset=Rows(23))
    again.train(resume_from_checkpoint=whole.args.checkpoint_dir / "checkpoint-4")
    assert len(losses(again)) == 9
    assert losses(again) == losses(whole)


def test_datasets_that_fetch_whole_batches_are_asked_for_them(make_trainer) -> None:
    class Batched(Rows):
        def __getitems__(self, indices: list[int]):
            self.batches = [*getattr(self, "batches", []), indices]
            return [self[index] for index in indices]

    data = Batched(12)
    make_trainer(train_dataset=data, max_steps=3).train()
    assert sorted(index for batch in data.batches for index in batch) == list(range(12))
    assert [len(batch) for batch in data.batches] == [4, 4, 4]
