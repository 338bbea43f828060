"""Initialisers: which rule fills which parameter, and what happens to those without one."""

import math
from functools import partial

import pytest
import torch
from torch import nn


@pytest.fixture
def model(part):
    """A model with all roles: positions, norms of keys, experts, biases, a head."""
    ff = partial(part("glu_feedforward").GLUFeedforwardLayer, 64, 96, bias=True)
    layer = partial(
        part("pre_ln_layer").PreLNLayer,
        partial(part("mixture_of_experts").MixtureOfExperts, 64, 2, ff),
        partial(
            part("causal_multihead_attn").CausalMultiheadAttn, 64, 4, qk_norm_factory=nn.RMSNorm
        ),
        partial(nn.LayerNorm, 64),
    )
    encoder = part("input_encoder").InputEncoder(64, 500, 0.0, part("learned_pe").LearnedPE(64, 64))
    stack = part("layer_stack").LayerStack(layer, 2, partial(nn.LayerNorm, 64))
    return part("causal_lm").CasualLM(encoder, stack, nn.Linear(64, 500, bias=False))


def initialise(model, init):
    for parameter in model.parameters():
        parameter.data.fill_(math.nan)
    for module in model.modules():
        init(module)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def roles(model):
    return {
        f"{getattr(module, 'init_prefix', type(module).__name__)}.{name}"
        for module in model.modules()
        for name, _ in module.named_parameters(recurse=False)
    }


def test_each_parameter_has_a_role(model):
    assert roles(model) == {
        "embedding.weight",
        "positions.weight",
        "lm_head.weight",
        "LayerNorm.weight",
        "LayerNorm.bias",
        "RMSNorm.weight",
        "ff.router.weight",
        *(f"attn.{role}.weight" for role in ("query", "key", "value", "output")),
        *(
            f"ff.{role}_proj.{name}"
            for role in ("up", "gate", "down")
            for name in ("weight", "bias")
        ),
    }


def test_first_matching_rule_fills_the_parameter(part, model):
    rules = [
        (r".*Norm\.weight", nn.init.ones_),
        (r".*\.bias", nn.init.zeros_),
        (r"(attn|ff)\.\w+\.weight", partial(nn.init.normal_, std=0.1)),
        (r"embedding\..*", partial(nn.init.constant_, val=2.0)),
        (r".*", partial(nn.init.constant_, val=3.0)),
    ]
    initialise(model, partial(part("regex_init").init_weights_by_regex, rules=rules))
    assert torch.all(model.input_encoder.embedding.weight == 2)
    assert torch.all(model.input_encoder.positional_encoder.embedding.weight == 3)
    assert torch.all(model.output_decoder.weight == 3)
    layer = model.layer_stack.layers[1]
    assert layer.attention.key_linear.weight.std().item() == pytest.approx(0.1, rel=0.05)
    assert torch.all(layer.attention.key_norm.weight == 1)
    assert torch.all(layer.feedforward.experts[0].up_proj.bias == 0)


def test_a_parameter_without_a_rule_is_an_error_before_its_module_is_touched(part, model):
    init = part("regex_init").init_weights_by_regex
    linear = model.layer_stack.layers[0].feedforward.experts[0].up_proj
    before = linear.weight.clone()
    with pytest.raises(ValueError, match=r"no rule matches the parameter ff.up_proj.bias; add"):
        init(linear, [(r".*\.weight", nn.init.ones_), (r"ff\.up_proj", nn.init.ones_)])
    assert torch.equal(linear.weight, before)


def test_loaded_parameters_are_left_alone(part):
    linear = nn.Linear(3, 3)
    linear.weight._is_hf_initialized = True
    before = linear.weight.clone()
    part("regex_init").init_weights_by_regex(linear, [(r"Linear\..*", nn.init.zeros_)])
    part("llama_init").llama_weight_init(linear, 2)
    assert torch.equal(linear.weight, before)
    assert torch.all(linear.bias == 0)


def test_llama(part, model):
    init = partial(part("llama_init").llama_weight_init, num_layers=8, std=0.1, embedding_std=0.5)
    initialise(model, init)
    layer = model.layer_stack.layers[0]
    cut = 0.9866  # deviation of a normal distribution that is cut off at three deviations
    for module, std in {
        model.input_encoder.embedding: 0.5,
        model.output_decoder: 0.1,
        layer.attention.value_linear: 0.1,
        layer.attention.output_linear: 0.1 / 4,
        layer.feedforward.experts[1].down_proj: 0.1 / 4,
    }.items():
        assert module.weight.std().item() == pytest.approx(cut * std, rel=0.04)
        assert module.weight.abs().max() <= 3 * std
    assert torch.all(layer.norm1.weight == 1)


@torch.no_grad()
@pytest.mark.parametrize("tied", [False, True])
def test_first_loss_is_that_of_a_uniform_guess(part, model, tied):
    deepnet = partial(part("deepnet_layer").deepnet_weight_init, num_layers=2)
    simple = part("init_weights").simple_weight_init
    llama = partial(part("llama_init").llama_weight_init, num_layers=2)
    if tied:
        model.output_decoder.weight = model.input_encoder.embedding.weight
    ids = torch.randint(500, (8, 64))
    for init in (simple, llama, deepnet):
        initialise(model, init)
        loss, _ = model.eval()(ids, labels=ids)
        assert loss.item() == pytest.approx(math.log(500), rel=0.05)
