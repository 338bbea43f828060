"""The attention back ends agree with each other and with the definition."""

import pytest
import torch


@pytest.fixture
def interface(part):
    return part("attention_interface")


@pytest.mark.parametrize("back_end", ["eager", "sdpa"])
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
