"""Fresh weights: each parameter by one rule, the head included, and a sane first loss."""

import math
import sys

import pytest
import torch
from torch.nn.init import normal_


def test_first_loss_is_that_of_a_uniform_guess(build, random_ids):
    ids = random_ids(8, 48)
    loss, _ = build()(ids, labels=ids)
    assert loss.item() == pytest.approx(math.log(96), rel=0.05)


def test_each_parameter_is_written_once_by_its_rule(build):
    model = build(hidden_size=256, vocab_size=500)
    module = sys.modules[type(model.causal_lm).__module__.replace("causal_lm", "init_weights")]
    for owner in model.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            rule = module.rule_of(owner, name)
            residual = getattr(owner, "init_prefix", "") in module.RESIDUAL_OUTPUTS
            std = 0.02 / math.sqrt(2 * 2) if residual else 0.02
            if rule == "matrix":
                assert parameter.std().item() == pytest.approx(std, rel=0.05)
            else:
                assert torch.all(parameter == (rule == "gain"))


def test_a_parameter_without_a_rule_is_an_error(build):
    model = build()
    model.causal_lm.extra = torch.nn.Bilinear(2, 2, 2)
    with pytest.raises(ValueError, match="'weight' of Bilinear"):
        model.init_weights()


def test_loaded_parameters_are_left_alone(build):
    model = build()
    linear = model.causal_lm.layer_stack.layers[0].attention.query_linear
    normal_(linear.weight, std=5)
    before = linear.weight.clone()
    linear.weight._is_hf_initialized = True
    model._init_weights(linear)
    assert torch.equal(linear.weight, before)


def test_seed_decides_the_weights(build):
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(torch.cat([p.flatten() for p in build().parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
