"""Where the layers put their norms and gains, and how DeepNet initialises what they hold."""

import math

import pytest
import torch
from torch import nn


@pytest.fixture
def factories():
    """Branches that multiply by 10 (attention) and 100 (feed-forward), and a norm that adds 1."""

    class Branch(nn.Module):
        def __init__(self, factor, layer_idx):
            super().__init__()
            self.factor = factor * (layer_idx + 1)

        def forward(self, x, position_ids):
            return x * self.factor

    return {
        "attention_factory": lambda layer_idx: Branch(10, layer_idx),
        "feedforward_factory": lambda layer_idx: Branch(100, layer_idx),
        "norm_factory": lambda: lambda x: x + 1,
    }


def test_post_ln_layer_normalises_the_sums(part, factories):
    layer = part("post_ln_layer").PostLNLayer(**factories, layer_idx=1)
    # 3 + 20 * 3 + 1 = 64, then 64 + 200 * 64 + 1 = 12865
    assert layer(torch.tensor(3.0), position_ids=None) == 12865


def test_deepnet_layer_amplifies_the_residual(part, factories):
    layer = part("deepnet_layer").DeepnetLayer(**factories, alpha=2.0)
    # 2 * 3 + 10 * 3 + 1 = 37, then 2 * 37 + 100 * 37 + 1 = 3775
    assert layer(torch.tensor(3.0), position_ids=None) == 3775


@pytest.mark.parametrize("name", ["dropout", "residual_dropout"])
@pytest.mark.parametrize("kind", ["post_ln_layer.PostLNLayer", "deepnet_layer.DeepnetLayer"])
def test_dropout_reaches_its_place(part, factories, kind, name):
    module, layer = kind.split(".")
    alpha = {"alpha": 2.0} if layer == "DeepnetLayer" else {}
    layer = getattr(part(module), layer)(**factories, **alpha, **{name: 1.0})
    x = torch.tensor(3.0)
    kept = {"dropout": 3 * alpha.get("alpha", 1) + 1, "residual_dropout": 31}[name]
    again = {"dropout": alpha.get("alpha", 1), "residual_dropout": 100}[name]
    assert layer(x, position_ids=None) == kept * again + 1


def test_feedforward(part):
    layer = part("feedforward_layer").FeedforwardLayer(4, 6, activation_factory=nn.Sigmoid)
    x = torch.randn(2, 3, 4)
    hidden = torch.sigmoid(x @ layer.linear1.weight.T + layer.linear1.bias)
    expected = hidden @ layer.linear2.weight.T + layer.linear2.bias
    torch.testing.assert_close(layer(x, position_ids=None), expected)


def test_gains_of_eighteen_layers(part):
    deepnet = part("deepnet_layer")
    assert deepnet.deepnet_alpha(18) == pytest.approx(math.sqrt(6))
    assert deepnet.deepnet_beta(18) == pytest.approx(1 / math.sqrt(12))


def test_deepnet_initialisation(part):
    deepnet = part("deepnet_layer")
    layer = deepnet.DeepnetLayer(
        lambda layer_idx: part("feedforward_layer").FeedforwardLayer(128, 256),
        lambda layer_idx: part("causal_alibi_attn").CausalAlibiAttn(128, 4, num_kv_heads=2),
        lambda: nn.LayerNorm(128),
        alpha=1.0,
    )
    embedding = nn.Embedding(500, 128)
    for module in [*layer.modules(), embedding]:
        deepnet.deepnet_weight_init(module, num_layers=18, std=0.05)
    beta = 12**-0.5
    attention, feedforward = layer.attention, layer.feedforward
    expected = {
        attention.query_linear: math.sqrt(2 / 256),
        attention.key_linear: math.sqrt(2 / 192),
        attention.value_linear: beta * math.sqrt(2 / 192),
        attention.output_linear: beta * math.sqrt(2 / 256),
        feedforward.linear1: beta * math.sqrt(2 / 384),
        feedforward.linear2: beta * math.sqrt(2 / 384),
        embedding: 0.05,
    }
    for module, std in expected.items():
        assert module.weight.std().item() == pytest.approx(std, rel=0.05), module
    assert torch.all(layer.norm1.weight == 1)
    assert torch.all(feedforward.linear1.bias == 0)
