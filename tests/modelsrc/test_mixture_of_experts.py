"""Mixture of experts against a loop over tokens, and the loss that balances it."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


@pytest.fixture
def mixture(part):
    def mixture(top_k=2, num_experts=5, **kwargs):
        def expert(layer_idx):
            return part("glu_feedforward").GLUFeedforwardLayer(8, 12, layer_idx=layer_idx)

        layer = part("mixture_of_experts").MixtureOfExperts
        return layer(8, num_experts, expert, top_k=top_k, **kwargs)

    return mixture


def by_token(layer, x):
    """The definition, one token after the other."""
    y = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            scores = layer.router.weight @ x[b, t]
            best = scores.argsort(descending=True)[: layer.top_k]
            weights = scores[best].exp() / scores[best].exp().sum()
            for weight, e in zip(weights, best, strict=True):
                y[b, t] += weight * layer.experts[e](x[b, t][None])[0]
    return y


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_equals_a_loop_over_tokens(mixture, top_k):
    layer, x = mixture(top_k), torch.randn(2, 7, 8)
    torch.testing.assert_close(layer(x, position_ids=None), by_token(layer, x))
    torch.testing.assert_close(layer(x[:1, :1]), by_token(layer, x[:1, :1]))  # experts without any


def test_gradients_equal_those_of_the_loop_and_none_is_missing(mixture):
    layer, x = mixture(), torch.randn(1, 2, 8, requires_grad=True)
    parameters = [x, *layer.parameters()]
    actual = torch.autograd.grad(layer(x).square().sum(), parameters)
    by_token(layer, x).square().sum().backward()
    for p, gradient in zip(parameters, actual, strict=True):
        expected = torch.zeros_like(p) if p.grad is None else p.grad
        torch.testing.assert_close(gradient, expected)


def test_balance_is_one_when_even_and_grows_with_the_imbalance(part):
    balance = part("mixture_of_experts").load_balancing_loss
    scores = torch.eye(4) * 20
    even = balance(scores, torch.arange(4)[:, None])
    one_expert = balance(torch.tensor([[20.0, 0, 0, 0]]).expand(4, -1), torch.zeros(4, 1).long())
    assert even.item() == pytest.approx(1)
    assert one_expert.item() == pytest.approx(4, rel=1e-3)
    # Of three assignments two are to expert 0: 2 (2/3 p + 1/3 (1 - p)), with the mean p.
    scores = torch.tensor([[1.0, 0], [0, 1], [2, 0]])
    p = scores.softmax(-1)[:, 0].mean()
    expected = 2 * (2 / 3 * p + 1 / 3 * (1 - p))
    torch.testing.assert_close(balance(scores, torch.tensor([[0], [1], [0]])), expected)


def test_auxiliary_loss_teaches_the_router_to_balance(mixture):
    layer, x = mixture(top_k=1, auxiliary_loss_weight=1.0), torch.randn(1, 200, 8) + 1
    nn.init.normal_(layer.router.weight, std=0.3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    balance = []
    for _ in range(30):
        auxiliary_losses = []
        layer(x, auxiliary_losses=auxiliary_losses)
        optimizer.zero_grad()
        auxiliary_losses[0].backward()
        optimizer.step()
        balance.append(auxiliary_losses[0].item())
    assert balance[0] > 1.2
    assert balance[-1] - 1 < (balance[0] - 1) / 2


def test_checkpointing_that_would_lose_the_auxiliary_loss_is_refused(mixture):
    layer, x, collected = mixture(), torch.randn(1, 3, 8, requires_grad=True), []
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        checkpoint(lambda x: layer(x, auxiliary_losses=collected), x, use_reentrant=True)
    checkpoint(lambda x: layer(x, auxiliary_losses=collected), x, use_reentrant=False)
    assert collected[0].requires_grad


def test_impossible_top_k_is_refused(mixture):
    with pytest.raises(ValueError, match="top_k=6 is not between 1 and num_experts=5"):
        mixture(top_k=6)
