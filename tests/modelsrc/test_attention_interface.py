"""The attention back ends agree with each other and with the definition."""

import pytest
import torch
from transformers import AttentionInterface, DynamicCache


@pytest.fixture
def interface(part):
    return part("attention_interface")


def attend(interface, back_end, q, k, v, mask, **kwargs):
    module = torch.nn.Module()
    module.is_causal, module.num_key_value_groups = True, q.shape[1] // k.shape[1]
    function = interface.attention_function(back_end)
    return function(module, q, k, v, mask, scaling=q.shape[-1] ** -0.5, **kwargs)


@pytest.mark.parametrize("back_end", ["eager", "sdpa", "flex_attention"])
@pytest.mark.parametrize(("T", "S"), [(6, 6), (1, 6), (3, 6)])
@pytest.mark.parametrize("kind", ["none", "boolean", "additive"])
@pytest.mark.parametrize("groups", [1, 2])
def test_queries_are_the_last_of_the_keys(interface, back_end, T, S, kind, groups):
    if (back_end, T, kind) == ("sdpa", 3, "none"):
        pytest.skip("the mask is made where transformers' function takes None to mean another one")
    q = torch.randn(2, 4, S, 8)
    k, v = torch.randn(2, 2, 4 // groups, S, 8)
    mask = torch.ones(S, S, dtype=torch.bool).tril()
    scores = q @ k.repeat_interleave(groups, 1).transpose(-2, -1) / 8**0.5
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    expected = (weights @ v.repeat_interleave(groups, 1))[:, :, S - T :].transpose(1, 2)

    rows = mask[S - T :].expand(2, 1, T, S)
    additive = torch.zeros(rows.shape).masked_fill(~rows, -torch.inf)
    given = {"none": None, "boolean": rows, "additive": additive}[kind]
    y, found = attend(interface, back_end, q[:, :, S - T :], k, v, given)
    torch.testing.assert_close(y, expected)
    if back_end == "eager":
        torch.testing.assert_close(found, weights[:, :, S - T :])


def test_what_others_register_as_sdpa_is_called(interface, monkeypatch):
    called = []

    def other(module, q, k, v, mask, **kwargs):
        called.append(kwargs)
        return q.transpose(1, 2), None

    monkeypatch.setitem(AttentionInterface._global_mapping, "sdpa", other)
    attend(interface, "sdpa", *torch.randn(3, 1, 2, 1, 8), None)
    assert called


@pytest.mark.parametrize("back_end", ["eager", "sdpa", "flex_attention"])
@pytest.mark.parametrize("past", [0, 5])
def test_window_and_chunks_give_what_one_pass_gives(part, back_end, past):
    attention = part("causal_multihead_attn").CausalMultiheadAttn(
        24, 4, num_kv_heads=2, sliding_window=4, attn_implementation=back_end
    )
    attention.eval().requires_grad_(False)
    x, cache = torch.randn(2, 8, 24), DynamicCache()
    position = torch.arange(8)
    near = (position <= position[:, None]) & (position > position[:, None] - 4)
    attention.sliding_window = None
    expected = attention(x, attention_mask=near[None, None])
    attention.sliding_window = 4
    mask = part("causal_mask").causal_mask
    pieces = [x[:, :past], x[:, past:]] if past else [x]
    found = []
    for piece in pieces:
        given = mask(hidden_states=piece, past_key_values=cache)
        found.append(attention(piece, attention_mask=given, past_key_values=cache))
    torch.testing.assert_close(torch.cat(found, 1), expected)


def test_a_function_of_ones_own_is_found_by_its_name(part):
    seen = {}

    def own(module, q, k, v, mask, **kwargs):
        seen.update(kwargs, layer=module.layer_idx)
        return q.transpose(1, 2), None

    AttentionInterface.register("own_attention", own)
    attention = part("causal_multihead_attn").CausalMultiheadAttn(
        8, 2, attn_implementation="own_attention", sliding_window=3, layer_idx=5
    )
    attention(torch.randn(1, 4, 8), attention_kwargs={"handle": 7})
    assert seen["layer"] == 5
    assert seen["handle"] == 7
    assert seen["sliding_window"] == 3
    assert seen["scaling"] == 0.5


def test_flex_says_what_it_cannot_do(interface):
    q = torch.randn(1, 2, 3, 8, requires_grad=True)
    with pytest.raises(NotImplementedError, match="no gradients on a CPU; train there with"):
        attend(interface, "flex_attention", q, q, q, None)
    q = q.detach()
    with pytest.raises(NotImplementedError, match="no dropout"):
        attend(interface, "flex_attention", q, q, q, None, dropout=0.1)


def test_a_kernel_that_takes_no_biases_is_refused(part):
    with pytest.raises(ValueError, match="ALiBi adds to the scores"):
        part("causal_alibi_attn").CausalAlibiAttn(8, 2, attn_implementation="flash_attention_2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_model": 10, "num_heads": 4}, "set d_head"),
        ({"d_model": 8, "num_heads": 4, "num_kv_heads": 3}, "num_kv_heads=3"),
        ({"d_model": 8, "num_heads": 4, "attn_implementation": "flash"}, "eager, .* sdpa"),
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
