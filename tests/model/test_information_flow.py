"""Which tokens a token can see: an input moves only those outputs that may depend on it."""

import pytest
import torch
from closeness import assert_close


@pytest.fixture(params=["sdpa", "eager", "flex_attention"])
def back_end(request):
    return request.param


@torch.no_grad()
def changed(model, ids, at, **kwargs):
    """For each position, whether its logits depend on the token at `at`."""
    other = ids.clone()
    other[:, at] = (ids[:, at] - 4 + 1) % 92 + 4
    difference = (model(ids, **kwargs).logits - model(other, **kwargs).logits).abs().amax((0, 2))
    return difference > 0


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_no_token_sees_a_later_one(build, random_ids, back_end, kv_heads):
    model = build(attn_implementation=back_end, num_kv_heads=kv_heads)
    seen_by = changed(model, random_ids(2, 10), at=6)
    assert seen_by.tolist() == [False] * 6 + [True] * 4


def test_packed_documents_are_isolated(build, random_ids, back_end):
    model, ids = build(attn_implementation=back_end), random_ids(2, 10)
    positions = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3, 4, 5]]).expand(2, -1)
    seen_by = changed(model, ids, at=2, position_ids=positions)
    assert seen_by.tolist() == [False] * 2 + [True] * 2 + [False] * 6
    with torch.no_grad():
        alone = model(ids[:, 4:]).logits
        packed = model(ids, position_ids=positions).logits[:, 4:]
    assert_close(packed, alone)


def test_padding_is_not_seen(build, random_ids, back_end):
    model, ids = build(attn_implementation=back_end), random_ids(2, 10)
    mask = torch.ones_like(ids)
    mask[:, :3] = 0
    seen_by = changed(model, ids, at=1, attention_mask=mask)
    assert seen_by.tolist() == [False, True] + [False] * 8


def test_sliding_window_bounds_the_view_of_a_layer(build, random_ids, back_end):
    model = build(attn_implementation=back_end, num_hidden_layers=1, sliding_window=3)
    seen_by = changed(model, random_ids(2, 10), at=4)
    assert seen_by.tolist() == [False] * 4 + [True] * 3 + [False] * 3


def test_additive_mask_is_honoured(build, random_ids, back_end):
    model, ids = build(attn_implementation=back_end), random_ids(2, 6)
    mask = torch.full((6, 6), -torch.inf).triu(1)[None, None]
    with torch.no_grad():
        assert_close(model(ids, attention_mask=mask).logits, model(ids).logits)
