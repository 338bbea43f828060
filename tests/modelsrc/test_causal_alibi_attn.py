"""Linear biases against the definition, and under masks, padding and caches."""

import pytest
import torch
from transformers.cache_utils import Cache, DynamicSlidingWindowLayer


@pytest.fixture(params=["sdpa", "eager"])
def attention(part, request):
    def attention(num_heads=6, **kwargs):
        kwargs = {"num_kv_heads": 2, "bias": True, "attn_implementation": request.param} | kwargs
        return part("causal_alibi_attn").CausalAlibiAttn(24, num_heads, **kwargs)

    return attention


@pytest.fixture
def masked(part):
    """Apply attention under the model's own mask."""

    def masked(attention, x, **kwargs):
        mask = part("causal_mask").causal_mask(hidden_states=x, **kwargs)
        cache = kwargs.get("past_key_values")
        return attention(x, attention_mask=mask, past_key_values=cache)

    return masked


def by_definition(attention, x, slopes):
    """Press et al., equation of section 3, head by head and query by query."""
    heads, size = len(slopes), attention.d_head
    q = attention.query_linear(x).unflatten(-1, (-1, size))
    k = attention.key_linear(x).unflatten(-1, (-1, size)).repeat_interleave(heads // 2, 2)
    v = attention.value_linear(x).unflatten(-1, (-1, size)).repeat_interleave(heads // 2, 2)
    y = torch.empty_like(q)
    for h, slope in enumerate(slopes):
        for t in range(x.shape[1]):
            scores = (k[:, : t + 1, h] @ q[:, t, h, :, None])[..., 0] / size**0.5
            weights = (scores - slope * torch.arange(t, -1, -1)).softmax(-1)
            y[:, t, h] = (weights[..., None] * v[:, : t + 1, h]).sum(1)
    return attention.output_linear(y.flatten(2))


@pytest.mark.parametrize(
    ("alt", "exponents"),
    [(False, [2, 4, 6, 8, 1, 3]), (True, [1, 2.4, 3.8, 5.2, 6.6, 8])],
)
def test_scores_fall_with_the_distance(attention, alt, exponents):
    layer, x = attention(alt_alibi_init=alt), torch.randn(2, 7, 24)
    expected = by_definition(layer, x, [2.0**-e for e in exponents])
    torch.testing.assert_close(layer(x), expected)


def test_slopes_of_eight_heads(part):
    slopes = part("causal_alibi_attn").paper_slopes(8)
    torch.testing.assert_close(slopes, torch.tensor([2.0**-i for i in range(1, 9)]))


def test_finished_additive_mask_is_honoured(attention):
    layer, x = attention(), torch.randn(2, 5, 24)
    mask = torch.full((5, 5), -torch.inf).triu(1)[None, None]
    torch.testing.assert_close(layer(x, attention_mask=mask), layer(x))


@torch.no_grad()
def test_cache_that_forgets_keeps_the_distances(attention, masked):
    layer, x = attention(), torch.randn(2, 9, 24)
    cache = Cache(layers=[DynamicSlidingWindowLayer(sliding_window=4)])
    window = {"sliding_window": 4}
    pieces = [masked(layer, p, past_key_values=cache, **window) for p in x.split([6, 1, 2], 1)]
    torch.testing.assert_close(torch.cat(pieces, 1), masked(layer, x, **window))


def test_trainable_slopes_start_at_the_constants_and_learn(attention):
    constant, trainable = attention(), attention(trainable_alibi=True)
    assert set(trainable.state_dict()) - set(constant.state_dict()) == {"alibi_slopes"}
    constant.load_state_dict(trainable.state_dict(), strict=False)
    x = torch.randn(2, 5, 24)
    torch.testing.assert_close(trainable(x), constant(x))
    trainable(x).square().sum().backward()
    assert trainable.alibi_slopes.grad.abs().min() > 0


def test_low_precision_keeps_its_dtype(attention):
    layer, x = attention(trainable_alibi=True), torch.randn(2, 5, 24)
    expected = layer(x)
    y = layer.bfloat16()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.02)
