"""Mixing datasets with weights."""

import pickle

import pytest

from forgather_hydra.data import MixedDataset

PARTS = {"long": [f"long {i}" for i in range(300)], "short": [f"short {i}" for i in range(20)]}


def test_shares_are_those_of_the_weights() -> None:
    mixed = MixedDataset(PARTS, {"long": 3, "short": 1}, length=4000)
    assert mixed.counts()["short"] == pytest.approx(1000, abs=100)
    assert sum(str(mixed[i]).startswith("short") for i in range(4000)) == mixed.counts()["short"]
    assert len(MixedDataset(PARTS, {"long": 3, "short": 1})) == 320


def test_every_sample_of_a_pass_comes_once_and_passes_differ() -> None:
    mixed = MixedDataset(PARTS, {"long": 1, "short": 1}, length=200)
    short = [sample for sample in (mixed[i] for i in range(200)) if sample.startswith("short")]
    passes = [short[begin : begin + 20] for begin in (0, 20, 40)]
    assert all(sorted(each) == sorted(PARTS["short"]) for each in passes)
    assert passes[0] != passes[1]


def test_a_sample_follows_from_seed_and_index() -> None:
    weights = {"long": 1, "short": 2}
    mixed, again = MixedDataset(PARTS, weights, seed=1), MixedDataset(PARTS, weights, seed=1)
    assert [mixed[i] for i in range(320)] == [again[i] for i in reversed(range(320))][::-1]
    assert [pickle.loads(pickle.dumps(mixed))[i] for i in range(9)] == [mixed[i] for i in range(9)]
    other = MixedDataset(PARTS, weights, seed=2)
    assert [mixed[i] for i in range(320)] != [other[i] for i in range(320)]


@pytest.mark.parametrize(
    ("parts", "weights"),
    [
        (PARTS, {"long": 1}),
        (PARTS, {"long": 1, "short": 0}),
        ({"long": [1], "short": []}, {"long": 1, "short": 1}),
    ],
)
def test_what_cannot_be_mixed_is_refused(parts, weights) -> None:
    with pytest.raises(ValueError, match="short"):
        MixedDataset(parts, weights)


def test_each_dataset_has_an_order_of_its_own_that_follows_from_the_seed() -> None:
    twins = {"a": list(range(50)), "b": list(range(50))}

    def orders(seed: int) -> list[list[int]]:
        mixed = MixedDataset(
            {n: [(n, i) for i in twins[n]] for n in twins}, {"a": 1, "b": 1}, length=200, seed=seed
        )
        samples = [mixed[i] for i in range(200)]
        return [[i for name, i in samples if name == n][:50] for n in twins]

    first, second = orders(1), orders(2)
    assert sorted(first[0]) == sorted(first[1]) == twins["a"]
    assert first[0] != first[1]
    alone = [
        [MixedDataset(twins | {"b": [0]}, {"a": 1, "b": 1e-9}, 50, seed)[i] for i in range(50)]
        for seed in (1, 2)
    ]
    assert alone[0] != alone[1]
    assert first != second
