"""The stack of layers, its container, and the small parts around it."""

import io

import pytest
import torch
from torch import nn


@pytest.fixture
def stack(part):
    class Layer(nn.Module):
        def __init__(self, layer_idx):
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(layer_idx + 2.0))

        def forward(self, x, **_):
            return x * self.factor

    return part("layer_stack").LayerStack(Layer, num_hidden_layers=3)


def test_layers_by_number_and_by_name(stack):
    assert stack.layers[2] is stack.layers["2"]
    assert stack.layers[2].factor == 4
    assert (1 in stack.layers, "1" in stack.layers, 3 in stack.layers) == (True, True, False)


def test_a_stack_has_a_layer_at_least(part):
    with pytest.raises(ValueError, match="num_hidden_layers is -1"):
        part("layer_stack").LayerStack(nn.Identity, num_hidden_layers=-1)


def test_remaining_layers_keep_names_and_order(stack):
    del stack.layers[1]
    assert list(stack.state_dict()) == ["layers.0.factor", "layers.2.factor"]
    assert stack(torch.ones(1)) == 8


def test_pre_ln_layer_adds_both_branches(part):
    seen = []

    class Branch(nn.Module):
        def __init__(self, factor, layer_idx):
            super().__init__()
            self.factor = factor * (layer_idx + 1)

        def forward(self, x, **kwargs):
            seen.append(kwargs)
            return x * self.factor

    layer = part("pre_ln_layer").PreLNLayer(
        attention_factory=lambda layer_idx: Branch(10, layer_idx),
        feedforward_factory=lambda layer_idx: Branch(100, layer_idx),
        norm_factory=lambda: lambda x: x - 1,
        layer_idx=1,
    )
    # 3 + 20 (3 - 1) = 43, then 43 + 200 (43 - 1) = 8443
    assert layer(torch.tensor(3.0), position_ids="given") == 8443
    assert seen == [{"position_ids": "given"}] * 2


def test_rms_norm_ignores_the_scale_of_its_input(part):
    norm = part("rms_norm").RMSNorm(16, eps=1e-12)
    x = torch.randn(2, 3, 16)
    torch.testing.assert_close(norm(x * 7), norm(x))
    torch.testing.assert_close(norm(x).square().mean(-1), torch.ones(2, 3))


def test_rms_norm_of_one_token_is_that_of_many(part):
    torch.manual_seed(0)
    norm = part("rms_norm").RMSNorm(16)
    nn.init.normal_(norm.weight)
    x = torch.randn(3, 5, 16, requires_grad=True)
    many, one = norm(x), torch.cat([norm(each) for each in x.split(1, dim=1)], dim=1)
    torch.testing.assert_close(one, many)
    gradients = [torch.autograd.grad(y.sum(), (x, norm.weight)) for y in (one, many)]
    torch.testing.assert_close(*gradients)


def test_rms_norm_in_half_precision_is_rounded_once_and_keeps_its_input_alone(part):
    norm = part("rms_norm").RMSNorm(16).bfloat16()
    x = torch.randn(2, 3, 16).bfloat16().requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = norm(x)
    exact = part("rms_norm").RMSNorm(16)(x.detach().float())
    assert torch.equal(y, exact.bfloat16())
    assert max(t.untyped_storage().nbytes() for t in kept) == 2 * x.numel()
    y.sum().backward()
    assert x.grad.isfinite().all()


def test_encoder_scales_then_adds_positions(part):
    class AddPosition(nn.Module):
        def forward(self, x, *, position_ids=None):
            return x + position_ids[..., None]

    encoder = part("input_encoder").InputEncoder(
        4, 10, positional_encoder=AddPosition(), scale_sqrt_d_model=True
    )
    ids, positions = torch.tensor([[3, 5]]), torch.tensor([[0, 1]])
    expected = 2 * encoder.embedding(ids) + positions[..., None]
    torch.testing.assert_close(encoder(ids, positions), expected)


def test_null_encoding_returns_its_input(part):
    x = torch.randn(1, 2, 3)
    assert part("null_pe").NullPE()(x, position_ids=torch.zeros(1, 2)) is x


def test_feedforward_gates_the_up_projection(part):
    layer = part("glu_feedforward").GLUFeedforwardLayer(4, 6, activation_factory=nn.Sigmoid)
    x = torch.randn(2, 3, 4)
    gate = torch.sigmoid(x @ layer.gate_proj.weight.T)
    expected = (gate * (x @ layer.up_proj.weight.T)) @ layer.down_proj.weight.T
    torch.testing.assert_close(layer(x, position_ids=None), expected)


def test_swiglu_has_the_gradients_of_its_formula(part, monkeypatch):
    """First and second ones, though the activated gate is computed again in the backward pass."""
    monkeypatch.setattr(part("glu_feedforward"), "MANY_FEATURES", 0)
    layer = part("glu_feedforward").GLUFeedforwardLayer(4, 6)
    x = torch.randn(2, 5, 4, requires_grad=True)
    parameters = [x, *layer.parameters()]

    def formula():
        return layer.down_proj(nn.functional.silu(layer.gate_proj(x)) * layer.up_proj(x))

    def gradients(y):
        first = torch.autograd.grad(y.square().sum(), parameters, create_graph=True)
        return *first, *torch.autograd.grad(sum(g.square().sum() for g in first), parameters)

    torch.testing.assert_close(layer(x), formula(), rtol=0, atol=0)
    torch.testing.assert_close(gradients(layer(x)), gradients(formula()))


def test_swiglu_keeps_no_activated_gate(part):
    """Of the hidden features there is what gate and up give, and what goes into the last layer."""
    layer = part("glu_feedforward").GLUFeedforwardLayer(4, 512)
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = layer(torch.randn(1, 2048, 4, requires_grad=True))
    assert sum(tensor.numel() == 2048 * 512 for tensor in kept.values()) == 3
    y.sum().backward()


def test_swiglu_is_transformed_and_traced_as_its_formula(part, monkeypatch):
    """Gradients of each row alone by `torch.func`, and a trace that can be saved."""
    monkeypatch.setattr(part("glu_feedforward"), "MANY_FEATURES", 0)
    layer = part("glu_feedforward").GLUFeedforwardLayer(4, 6)
    x = torch.randn(3, 5, 4)

    def loss(weights, row):
        return torch.func.functional_call(layer, weights, (row,)).square().sum()

    weights = dict(layer.named_parameters())
    of_rows = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
    for number, row in enumerate(x):
        expected = torch.autograd.grad(layer(row).square().sum(), list(weights.values()))
        torch.testing.assert_close([each[number] for each in of_rows.values()], list(expected))
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(layer, x), file)
    file.seek(0)
    torch.testing.assert_close(torch.jit.load(file)(x), layer(x))


def test_chunks_change_neither_result_nor_gradients(part):
    layer = part("glu_feedforward").GLUFeedforwardLayer(4, 6)
    x = torch.randn(2, 5, 4, requires_grad=True)
    parameters = [x, *layer.parameters()]
    expected = layer(x), *torch.autograd.grad(layer(x).square().sum(), parameters)
    layer.chunk_size = 3
    actual = layer(x), *torch.autograd.grad(layer(x).square().sum(), parameters)
    torch.testing.assert_close(actual, expected)


def test_chunks_bound_the_hidden_features(part):
    """Of 64 tokens with 512 hidden features, no operation sees more than 8 tokens' features."""
    layer = part("glu_feedforward").GLUFeedforwardLayer(4, 512, chunk_size=8)
    kept = []

    def keep(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(torch.randn(1, 64, 4, requires_grad=True))
    assert max(kept, default=0) < 8 * 512
