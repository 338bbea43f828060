"""Order and position of the training data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import VOCABULARY, Rows, losses

from forgather_hydra.data import MixedDataset
from forgather_hydra.train import CausalCollator, TrainerCallback
from forgather_hydra.train.batches.loading import sample_lengths
from forgather_hydra.train.batches.sampler import ResumableBatchSampler


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


@settings(max_examples=100, deadline=None)
@given(
    length=st.integers(1, 60),
    shares=st.sampled_from([(6, 1), (3, 2), (2, 3), (1, 6)]),
    new_shares=st.sampled_from([(6, 1), (3, 2), (2, 3), (1, 6)]),
    stop=st.integers(0, 6),
    drop_last=st.booleans(),
    bucketed=st.booleans(),
)
def test_processes_share_an_epoch_in_order_without_overlap_or_loss(
    length: int, shares, new_shares, stop: int, drop_last: bool, bucketed: bool
) -> None:
    """Also when others go on from where they stopped, with the same batch in all."""
    options = {"drop_last": drop_last, "lengths": np.arange(length) % 7 if bucketed else None}
    whole = [index for batch in sampler(length, 6, **options) for index in batch]
    assert sorted(whole)[:1] in ([], [0]) or drop_last
    assert len(set(whole)) == len(whole) == (length - length % 6 if drop_last else length)
    seen: list[int] = []
    state = None
    for size, processes in (shares, new_shares):
        ranks = [
            sampler(length, size, rank=rank, world_size=processes, **options)
            for rank in range(processes)
        ]
        for each in ranks:
            each.load_state_dict(state or each.state_dict())
        for number, parts in enumerate(zip(*ranks, strict=True)):
            if state is None and number == stop:
                break
            seen += [index for part in parts for index in part]
            for each in ranks:
                each.advance(1)
        state = ranks[0].state_dict()
    assert seen == whole


def lengths_in_batches(data: ResumableBatchSampler) -> list[np.ndarray]:
    return [data.lengths[batch] for batch in data]


def test_buckets_hold_samples_of_about_equal_length_in_random_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 1000, 1003)
    bucketed, plain = sampler(1003, 8, lengths=lengths), sampler(1003, 8)
    spread = [np.ptp(batch) for batch in lengths_in_batches(bucketed)]
    assert np.mean(spread) < 0.1 * np.mean([np.ptp(lengths[batch]) for batch in plain])
    assert len(lengths_in_batches(bucketed)[-1]) == 3
    means = [batch.mean() for batch in lengths_in_batches(bucketed)]
    assert 0.3 < np.mean(np.diff(means) > 0) < 0.7
    assert sorted(index for batch in bucketed for index in batch) == list(range(1003))


def test_training_in_buckets_pads_less_and_resumes(make_trainer) -> None:
    class Ragged(Rows):
        def __getitem__(self, index: int):
            return {"input_ids": self.ids[index, : 2 + index % 20]}

    options = {
        "train_dataset": Ragged(120, 22),
        "data_collator": CausalCollator(),
        "max_steps": 40,
        "save_strategy": "steps",
        "save_steps": 34,
    }
    plain, bucketed = make_trainer(**options), make_trainer(**options, group_by_length=True)
    plain.train()
    bucketed.train()
    tokens = [trainer.state.num_input_tokens_seen for trainer in (plain, bucketed)]
    assert tokens[1] < 0.85 * tokens[0]
    resumed = make_trainer(**options, group_by_length=True)
    path = resumed.args.checkpoint_dir / "checkpoint-34"
    resumed.train(resume_from_checkpoint=path)
    assert losses(resumed) == losses(bucketed)


def test_lengths_are_the_dataset_s_own_or_counted() -> None:
    rows = [{"input_ids": torch.zeros(n)} for n in (3, 1, VOCABULARY)]
    assert sample_lengths(rows).tolist() == [3, 1, VOCABULARY]

    class WithLengths(list):
        lengths = (5, 6)

    assert sample_lengths(WithLengths()).tolist() == [5, 6]


def test_a_stop_in_the_middle_of_an_accumulated_step_loses_and_repeats_no_data(
    make_trainer,
) -> None:
    """The step is the unit: it is finished, and counted, before the run stops."""

    class Stop(TrainerCallback):
        def on_substep_end(self, args, state, control, **kwargs) -> None:
            if state.global_step == 1:
                control.should_save = control.should_training_stop = True

    options = {"gradient_accumulation_steps": 3, "max_steps": 9, "max_grad_norm": 1.0}
    whole, stopped = (
        make_trainer(**options, train_dataset=Rows(40), callbacks=callbacks)
        for callbacks in ([], [Stop()])
    )
    whole.train()
    stopped.train()
    assert stopped.state.global_step == 2
    resumed = make_trainer(**options, train_dataset=Rows(40))
    resumed.train(resume_from_checkpoint=True)
    fetched = stopped.train_dataset.fetched + resumed.train_dataset.fetched
    assert fetched == whole.train_dataset.fetched
    assert losses(resumed) == losses(whole)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_mixture_of_tables_resumes(make_trainer, workers: int) -> None:
    """Samples are lists, as the library `datasets` has them."""
    tables = {
        name: Dataset.from_dict({"input_ids": Rows(20, seed=seed).ids.tolist()})
        for seed, name in enumerate(("one", "other"))
    }
    options = {
        "train_dataset": MixedDataset(tables, {"one": 1, "other": 3}),
        "max_steps": 14,
        "dataloader_num_workers": workers,
        "save_strategy": "steps",
        "save_steps": 4,
        "save_total_limit": None,
    }
    whole, resumed = make_trainer(**options), make_trainer(**options)
    whole.train()
    resumed.train(resume_from_checkpoint=whole.args.checkpoint_dir / "checkpoint-4")
    assert losses(resumed) == losses(whole)
