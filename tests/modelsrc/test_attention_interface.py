"""The attention back ends agree with each other and with the definition."""

import pytest
import torch
from transformers.utils import is_flash_attn_2_available


@pytest.fixture
def interface(part):
    return part("attention_interface")


@pytest.mark.parametrize("back_end", ["eager", "sdpa", "flex_attention"])
@pytest.mark.parametrize(("T", "S"), [(6, 6), (1, 6), (3, 6)])
@pytest.mark.parametrize("kind", ["none", "boolean", "additive"])
def test_queries_are_the_last_of_the_keys(interface, back_end, T, S, kind):
    q, k, v = torch.randn(2, 4, S, 8), torch.randn(2, 2, S, 8), torch.randn(2, 2, S, 8)
    mask = torch.ones(S, S, dtype=torch.bool).tril()
    scores = q @ k.repeat_interleave(2, 1).transpose(-2, -1) / 8**0.5
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    expected = (weights @ v.repeat_interleave(2, 1))[:, :, S - T :]

    rows = mask[S - T :].expand(2, 1, T, S)
    additive = torch.zeros(rows.shape).masked_fill(~rows, -torch.inf)
    given = {"none": None, "boolean": rows, "additive": additive}[kind]
    y = interface.ATTENTION_FUNCTIONS[back_end](q[:, :, S - T :], k, v, given, 0.0)
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("back_end", ["eager", "sdpa", "flex_attention"])
@pytest.mark.parametrize(("T", "S"), [(6, 6), (1, 6), (3, 6)])
def test_window_without_a_mask(interface, back_end, T, S):
    q, k, v = torch.randn(2, 4, T, 8), torch.randn(2, 2, S, 8), torch.randn(2, 2, S, 8)
    position = torch.arange(S)
    near = (position <= position[:, None]) & (position > position[:, None] - 4)
    function = interface.ATTENTION_FUNCTIONS[back_end]
    expected = interface.eager_attention(q, k, v, near[S - T :], 0.0)
    torch.testing.assert_close(function(q, k, v, None, 0.0, 4), expected)
    torch.testing.assert_close(function(q, k, v, None, 0.0, S), function(q, k, v, None, 0.0))


def test_flex_says_what_it_cannot_do(interface):
    q = torch.randn(1, 2, 3, 8, requires_grad=True)
    with pytest.raises(NotImplementedError, match="no gradients on a CPU; train there with"):
        interface.flex_attention(q, q, q, None, 0.0)
    with pytest.raises(NotImplementedError, match="no dropout"):
        interface.flex_attention(q.detach(), q.detach(), q.detach(), None, 0.1)


@pytest.mark.skipif(is_flash_attn_2_available(), reason="flash-attn is there")
def test_missing_flash_attention_is_refused_at_construction(part):
    with pytest.raises(ImportError, match=r"install it .* or set attn_implementation to sdpa"):
        part("causal_multihead_attn").CausalMultiheadAttn(
            8, 2, attn_implementation="flash_attention_2"
        )


def test_flash_attention_refuses_biases(part):
    with pytest.raises(ValueError, match="ALiBi adds to the scores"):
        part("causal_alibi_attn").CausalAlibiAttn(8, 2, attn_implementation="flash_attention_2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_model": 10, "num_heads": 4}, "set d_head"),
        ({"d_model": 8, "num_heads": 4, "num_kv_heads": 3}, "num_kv_heads=3"),
        ({"d_model": 8, "num_heads": 4, "attn_implementation": "flash"}, "eager, sdpa"),
    ],
)
def test_impossible_heads_and_unknown_names_are_refused(part, arguments, message):
    with pytest.raises(ValueError, match=message):
        part("causal_multihead_attn").CausalMultiheadAttn(**arguments)


def test_head_size_is_free(part):
    attention = part("causal_multihead_attn").CausalMultiheadAttn(10, 4, d_head=6)
    assert attention.query_linear.weight.shape == (24, 10)
    assert attention(torch.randn(2, 3, 10)).shape == (2, 3, 10)


def test_query_and_key_norms_are_per_head_and_hide_the_scale(part):
    attention = part("causal_multihead_attn").CausalMultiheadAttn(
        24, 4, num_kv_heads=2, qk_norm_factory=part("rms_norm").RMSNorm
    )
    assert attention.query_norm.weight.shape == attention.key_norm.weight.shape == (6,)
    x = torch.randn(2, 5, 24)
    before = attention(x)
    with torch.no_grad():
        attention.query_linear.weight[:6] *= 10  # the first head alone
        attention.key_linear.weight[6:] *= 10
    torch.testing.assert_close(attention(x), before, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        attention.key_norm.weight *= 10
    assert not torch.allclose(attention(x), before, atol=1e-3)
