"""The mask: absent when plain causal, and right in every other case."""

import pytest
import torch
from torch._subclasses import FakeTensorMode
from transformers import DynamicCache, LlamaConfig, StaticCache


@pytest.fixture
def mask(part):
    def mask(T, **kwargs):
        return part("causal_mask").causal_mask(hidden_states=torch.empty(2, T, 1), **kwargs)

    return mask


def cache_of(length, cache=None):
    cache = cache or DynamicCache()
    cache.update(torch.zeros(2, 1, length, 4), torch.zeros(2, 1, length, 4), 0)
    return cache


def test_plain_causal_needs_no_mask(mask):
    assert mask(4) is None
    assert mask(4, sliding_window=4) is None
    assert mask(1, past_key_values=cache_of(3)) is None
    assert mask(2, past_key_values=cache_of(3))[0, 0].int().tolist() == [[1, 1, 1, 1, 0], [1] * 5]


def test_a_padding_mask_without_padding_is_as_none(mask):
    assert mask(4, attention_mask=torch.ones(2, 4)) is None
    assert mask(1, attention_mask=torch.ones(2, 4), past_key_values=cache_of(3)) is None
    # A mask says that it is one text, wherever positions start anew.
    positions = torch.tensor([[0, 1, 0, 1]])
    assert mask(4, attention_mask=torch.ones(2, 4), position_ids=positions) is None
    too_short = mask(1, attention_mask=torch.ones(2, 2), past_key_values=cache_of(3))
    assert too_short[0, 0].int().tolist() == [[1, 1, 0, 1]]


def test_the_padding_mask_of_a_program_in_the_making_is_kept(mask):
    traced = torch.jit.trace(
        lambda padding: mask(4, attention_mask=padding).int(), torch.ones(2, 4), check_trace=False
    )
    assert traced(torch.tensor([[0.0, 1, 1, 1]] * 2))[0, 0, 1].tolist() == [0, 1, 0, 0]
    with FakeTensorMode():
        assert mask(4, attention_mask=torch.ones(2, 4)) is not None


def test_padding_with_a_cache(mask):
    padding = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]])
    rows = mask(2, attention_mask=padding, past_key_values=cache_of(2))
    assert rows.int().tolist() == [[[[0, 1, 1, 0], [0, 1, 1, 1]]], [[[1, 1, 1, 0], [1, 1, 1, 1]]]]


def test_free_slots_of_a_static_cache_are_hidden(mask):
    cache = StaticCache(config=LlamaConfig(num_hidden_layers=1), max_cache_len=5)
    cache_of(2, cache)
    assert mask(2, past_key_values=cache)[0, 0].int().tolist() == [[1, 1, 1, 0, 0], [1] * 4 + [0]]


def test_window_with_a_cache(mask):
    rows = mask(2, past_key_values=cache_of(3), sliding_window=2)
    assert rows[0, 0].int().tolist() == [[0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]


def test_documents_start_where_positions_do_not_grow_by_one(mask):
    rows = mask(4, position_ids=torch.tensor([[0, 1, 0, 1], [7, 8, 9, 0]]))
    assert rows[0, 0].int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert rows[1, 0].int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]]


def test_documents_are_told_apart_as_a_cache_is_filled(mask):
    positions = torch.tensor([[0, 1, 0, 1]]).expand(2, -1)
    without = mask(4, position_ids=positions)
    assert torch.equal(mask(4, position_ids=positions, past_key_values=DynamicCache()), without)
    later = mask(4, position_ids=positions + 3, past_key_values=cache_of(3))
    assert later[0, 0, -1].all()  # goes on with the text before


def test_one_row_of_positions_serves_the_batch(mask):
    assert mask(4, position_ids=torch.arange(4)[None]).shape == (1, 1, 4, 4)


def test_finished_mask_is_passed_on(mask):
    finished = torch.zeros(2, 1, 4, 4)
    assert mask(4, attention_mask=finished) is finished
