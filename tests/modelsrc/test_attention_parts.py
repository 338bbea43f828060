"""What every attention part must do under every back end that runs here."""

import pytest
import torch
from torch import nn
from transformers import DynamicCache, LlamaConfig, StaticCache
from transformers.cache_utils import (
    Cache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    StaticSlidingWindowLayer,
)

BACK_ENDS = ("eager", "sdpa", "flex_attention")
PARTS = {
    "single": ("single_head_attn", "SingleHeadAttn", {}),
    "multi": ("causal_multihead_attn", "CausalMultiheadAttn", {"num_heads": 4}),
    "alibi": ("causal_alibi_attn", "CausalAlibiAttn", {"num_heads": 3, "num_kv_heads": 1}),
}
# Grouped queries, norms of queries and keys, and rotary positions: all options at once.
PARTS["grouped"] = (*PARTS["multi"][:2], {"num_heads": 4, "num_kv_heads": 2, "d_head": 10})
PARTS["single_rotary"] = PARTS["single"]
CASES = [
    ("single", None),
    ("single_rotary", None),
    *((name, b) for name in ("multi", "grouped", "alibi") for b in BACK_ENDS),
]

pytestmark = pytest.mark.usefixtures("no_gradients")


@pytest.fixture
def no_gradients():
    with torch.no_grad():
        yield


def make(part, name, back_end, **kwargs):
    module, cls, defaults = PARTS[name]
    kwargs = defaults | kwargs
    if back_end is not None:
        kwargs["attn_implementation"] = back_end
    if name == "grouped":
        kwargs["qk_norm_factory"] = nn.RMSNorm
        kwargs["pos_encoder"] = part("rotary_embeddings").RotaryPE(10, 64)
    if name == "single_rotary":
        kwargs["pos_encoder"] = part("rotary_embeddings").RotaryPE(24, 64)
    return getattr(part(module), cls)(24, **kwargs)


@pytest.fixture(params=CASES, ids=lambda case: "-".join(filter(None, case)))
def attention(part, request):
    """Make the part; the same weights for the same arguments."""

    def attention(**kwargs):
        torch.manual_seed(0)
        return make(part, *request.param, **kwargs)

    return attention


@pytest.fixture(params=[c for c in CASES if c[1] is not None], ids="-".join)
def windowed(part, request):
    """Make a part which has a sliding window of its own."""

    def windowed(**kwargs):
        torch.manual_seed(0)
        return make(part, *request.param, **kwargs)

    return windowed


@pytest.fixture
def masked(part):
    """Apply attention under the model's own mask."""

    def masked(attention, x, *, position_ids=None, past_key_values=None, **kwargs):
        mask = part("causal_mask").causal_mask(
            hidden_states=x, position_ids=position_ids, past_key_values=past_key_values, **kwargs
        )
        if past_key_values is not None and position_ids is None:
            position_ids = past_key_values.get_seq_length() + torch.arange(x.shape[1])[None]
        return attention(
            x, attention_mask=mask, position_ids=position_ids, past_key_values=past_key_values
        )

    return masked


def moved(apply, x, at):
    """For each position, whether its output depends on the input at `at`."""
    other = x.clone()
    other[:, at] += 1
    return ((apply(x) - apply(other)).abs().amax((0, 2)) > 0).tolist()


def test_no_token_sees_a_later_one(attention):
    layer, x = attention(), torch.randn(2, 9, 24)
    assert moved(layer, x, 5) == [False] * 5 + [True] * 4


def test_padding_is_not_seen_and_changes_nothing(attention, masked):
    layer, x = attention(), torch.randn(2, 9, 24)
    padding = torch.ones(2, 9)
    padding[:, :3] = 0
    positions = (padding.cumsum(-1) - 1).clamp(min=0).long()

    def apply(x):
        return masked(layer, x, attention_mask=padding, position_ids=positions)

    assert moved(apply, x, 1) == [False, True] + [False] * 7
    torch.testing.assert_close(apply(x)[:, 3:], layer(x[:, 3:]))
    assert apply(x).isfinite().all()


def test_packed_documents_are_isolated(attention, masked):
    layer, x = attention(), torch.randn(2, 9, 24)
    positions = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3, 4]]).expand(2, -1)

    def apply(x):
        return masked(layer, x, position_ids=positions)

    assert moved(apply, x, 2) == [False] * 2 + [True] * 2 + [False] * 5
    torch.testing.assert_close(apply(x), torch.cat((layer(x[:, :4]), layer(x[:, 4:])), 1))


def test_window_of_the_mask(attention, masked):
    layer, x = attention(), torch.randn(2, 9, 24)
    assert moved(lambda x: masked(layer, x, sliding_window=3), x, 4) == [
        *[False] * 4,
        *[True] * 3,
        *[False] * 2,
    ]


def test_window_of_the_layer(windowed, masked):
    x = torch.randn(2, 9, 24)
    layer = windowed(sliding_window=3)
    assert moved(layer, x, 4) == [False] * 4 + [True] * 3 + [False] * 2
    torch.testing.assert_close(layer(x), masked(windowed(), x, sliding_window=3))
    padding = torch.ones(2, 9)
    padding[:, :2] = 0
    kwargs = {"attention_mask": padding}
    torch.testing.assert_close(
        masked(layer, x, **kwargs), masked(windowed(), x, sliding_window=3, **kwargs)
    )
    additive = torch.full((9, 9), -torch.inf).triu(1)[None, None]
    torch.testing.assert_close(layer(x, attention_mask=additive), layer(x))


def test_layer_types_say_where_the_window_holds(windowed):
    types = ["full_attention", "sliding_attention"]
    layers = [windowed(sliding_window=3, layer_types=types, layer_idx=i) for i in (0, 1)]
    assert [layer.sliding_window for layer in layers] == [None, 3]


def caches():
    config = LlamaConfig(num_hidden_layers=1)
    yield "dynamic", lambda: DynamicCache()
    yield "static", lambda: StaticCache(config=config, max_cache_len=12)


@pytest.mark.parametrize("make_cache", [pytest.param(c, id=n) for n, c in caches()])
@pytest.mark.parametrize("padded", [False, True])
def test_cache_changes_nothing(attention, masked, make_cache, padded):
    layer, x, cache = attention(), torch.randn(2, 9, 24), make_cache()
    mask = torch.ones(2, 9)
    mask[0, :2] = 0
    pieces = in_pieces(layer, x, cache, masked, mask if padded else None)
    whole = masked(layer, x, attention_mask=mask) if padded else layer(x)
    torch.testing.assert_close(pieces, whole)
    assert int(cache.get_seq_length()) == 9


def in_pieces(layer, x, cache, masked, mask=None):
    pieces, seen = [], 0
    for piece in x.split([5, 1, 2, 1], dim=1):
        seen += piece.shape[1]
        kwargs = {} if mask is None else {"attention_mask": mask[:, :seen]}
        pieces.append(masked(layer, piece, past_key_values=cache, **kwargs))
    return torch.cat(pieces, 1)


@pytest.mark.parametrize("window", [3, 7])
@pytest.mark.parametrize("padded", [False, True])
def test_window_with_each_kind_of_cache(windowed, masked, window, padded):
    layer, x = windowed(sliding_window=window), torch.randn(2, 9, 24)
    mask = torch.ones(2, 9)
    mask[0, :2] = 0
    whole = masked(layer, x, attention_mask=mask) if padded else layer(x)
    forgetful = [
        Cache(layers=[DynamicSlidingWindowLayer(sliding_window=window)]),
        Cache(layers=[StaticSlidingWindowLayer(max_cache_len=12, sliding_window=window)]),
    ]
    for cache in (*(make() for _, make in caches()), *forgetful):
        pieces = in_pieces(layer, x, cache, masked, mask if padded else None)
        torch.testing.assert_close(pieces, whole)


def test_layers_of_one_model_may_remember_differently(part, masked):
    """One mask serves a layer that keeps all keys and one that forgets them."""
    multi = part("causal_multihead_attn").CausalMultiheadAttn
    layers = [multi(24, 4, layer_idx=0, sliding_window=3), multi(24, 4, layer_idx=1)]
    x, mask = torch.randn(2, 9, 24), torch.ones(2, 9)
    mask[0, :2] = 0
    cache = Cache(layers=[DynamicSlidingWindowLayer(sliding_window=3), DynamicLayer()])

    def both(x, attention_mask=None, position_ids=None, past_key_values=None):
        for layer in layers:
            x = layer(x, attention_mask=attention_mask, past_key_values=past_key_values)
        return x

    whole = masked(both, x, attention_mask=mask)
    torch.testing.assert_close(in_pieces(both, x, cache, masked, mask), whole)


def test_rotary_positions_tell_a_single_head_the_order_of_tokens(part):
    x = torch.randn(1, 4, 24)
    swapped = x[:, [1, 0, 2, 3]]
    alone, rotary = (make(part, name, None) for name in ("single", "single_rotary"))
    torch.testing.assert_close(alone(x)[:, 2:], alone(swapped)[:, 2:])
    assert (rotary(x) - rotary(swapped))[:, 2:].abs().amax() > 1e-4


def test_a_single_head_refuses_positions_for_narrower_heads(part):
    with pytest.raises(ValueError, match=r"for heads of 8, .* as wide as the model, 24"):
        make(part, "single", None, pos_encoder=part("rotary_embeddings").RotaryPE(8))
