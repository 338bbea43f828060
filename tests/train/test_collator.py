"""Padding and packing of samples."""

from __future__ import annotations

import pytest
import torch

from forgather_hydra.train import CausalCollator, PackedCollator, block_collator
from forgather_hydra.train.batches.collator import stack

EOS = 2


def test_stacked_samples_may_be_lists() -> None:
    batch = stack([{"input_ids": [1, 2]}, {"input_ids": torch.tensor([3, 4])}])
    assert batch["input_ids"].tolist() == [[1, 2], [3, 4]]


def test_padding_is_masked_by_position_and_not_by_id() -> None:
    batch = CausalCollator(pad_token_id=EOS)([{"input_ids": [5, EOS]}, {"input_ids": [6, 7, 8, 9]}])
    assert batch["input_ids"].tolist() == [[5, EOS, EOS, EOS], [6, 7, 8, 9]]
    assert batch["labels"].tolist() == [[5, EOS, -100, -100], [6, 7, 8, 9]]
    assert batch.keys() == {"input_ids", "labels"}


def test_labels_of_a_sample_are_kept_and_all_is_cut() -> None:
    sample = {"input_ids": [4, 5, 6, 7], "labels": [-100, 5, 6, 7]}
    batch = CausalCollator(max_length=3)([sample, {"input_ids": [8]}])
    assert batch["input_ids"].tolist() == [[4, 5, 6], [8, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 5, 6], [8, -100, -100]]


@pytest.mark.parametrize("given", [{}, {"document_starts": [0, 2, 5]}])
def test_documents_restart_positions_and_do_not_predict_each_other(given) -> None:
    long = {"input_ids": [5, EOS, 6, 7, EOS, 8], **given}
    batch = PackedCollator(EOS)([long, {"input_ids": [9, 9]}])
    assert batch["position_ids"].tolist() == [[0, 1, 0, 1, 2, 0], [0, 1, 0, 1, 2, 3]]
    assert batch["labels"].tolist() == [[5, EOS, -100, 7, EOS, -100], [9, 9] + [-100] * 4]


def test_a_cut_row_drops_the_starts_behind_the_cut() -> None:
    sample = {"input_ids": [5, 6, 7, 8], "document_starts": [0, 1, 3]}
    batch = PackedCollator(EOS, max_length=3)([sample])
    assert batch["position_ids"].tolist() == [[0, 0, 1]]
    assert batch["labels"].tolist() == [[5, -100, 7]]


def test_a_row_of_blocks_is_kept_apart_only_when_asked() -> None:
    class Tokenizer:
        eos_token_id = EOS

    assert block_collator(Tokenizer(), packed=False) is stack
    rows = [{"input_ids": torch.tensor([EOS, 5, 6])}]
    assert block_collator(Tokenizer(), packed=True)(rows)["position_ids"].tolist() == [[0, 0, 1]]
