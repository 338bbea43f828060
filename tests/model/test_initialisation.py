"""Fresh weights: each parameter by one rule, the head included, and a sane first loss."""

import math
import sys

import pytest
import torch
from torch.nn.init import normal_

import forgather_hydra as fg
from forgather_hydra.model import build_model, modeling_code


def test_first_loss_is_that_of_a_uniform_guess(build, random_ids):
    ids = random_ids(8, 48)
    loss = build()(ids, labels=ids).loss
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


RULES = r"""init_weights: &init_weights !partial:.regex_init:init_weights_by_regex@init_weights
    rules:
        - ['.*Norm\.weight', !partial:torch.nn.init:ones_ ]
        - ['.*\.bias', !partial:torch.nn.init:zeros_ ]
        - ['embedding\..*', !partial:torch.nn.init:normal_ { std: 0.5 } ]
        - ['.*', !partial:torch.nn.init:trunc_normal_ { std: 0.01 } ]

attn_mask_fn:"""


def test_rules_in_a_template(llama_text, config, tmp_path):
    start, end = llama_text.index("init_weights:"), llama_text.index("attn_mask_fn:")
    text = llama_text[:start] + RULES + llama_text[end:].removeprefix("attn_mask_fn:")
    graph = fg.ConfigEnvironment().parse(text).config
    model = build_model(modeling_code(graph.model_factory, "ruled"), config, tmp_path)
    assert torch.all(model.causal_lm.layer_stack.layer_norm.weight == 1)
    assert model.get_input_embeddings().weight.std().item() == pytest.approx(0.5, rel=0.05)
    assert model.get_output_embeddings().weight.std().item() == pytest.approx(0.01, rel=0.05)
