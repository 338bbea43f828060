"""The shipped model templates: information flow, cache, fresh weights, and the way out and back."""

import math
import sys
from typing import Any

import pytest
import torch
from closeness import assert_close
from transformers import AutoModelForCausalLM, DynamicCache

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import modeling_code

TEMPLATES: dict[str, dict[str, Any]] = {
    "custom_alibi_glu": {"num_attention_heads": 4},
    "deepone": {"num_key_value_heads": 2, "trainable_alibi": True},
    "dynamic_causal_transformer": {},
    "gpt2": {},
    "llama": {"rotary_scaling": {"rope_type": "linear", "factor": 2.0}, "attention_bias": True},
    "mistral": {"sliding_window": 5},
    "moe": {},
    "qwen3": {
        "head_dim": 24,
        "sliding_window": 5,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "single_head": {},
}
SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "max_position_embeddings": 64,
    "vocab_size": 96,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}


@pytest.fixture(scope="module", params=TEMPLATES)
def template(request):
    """The arguments that a model template gives to `build_model`."""
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    return request.param, environment.load(f"models/{request.param}.yaml").config.model.kwargs


@pytest.fixture(scope="module")
def code(template):
    return modeling_code(**template[1]["code"].kwargs)


@pytest.fixture
def config(template):
    return {**template[1]["config"], **SMALL, **TEMPLATES[template[0]]}


@pytest.fixture
def model(build):
    """A model whose logits are far from uniform, so that its choices are stable.

    With a tied head it would repeat the last token, whatever came before. In float64, as its
    large weights make much of a rounding error.
    """
    model = build(attn_implementation="eager", tie_word_embeddings=False)
    for parameter in model.parameters():
        parameter.data.mul_(4)
    return model.double()


@torch.no_grad()
@pytest.mark.parametrize("back_end", ["sdpa", "eager"])
def test_no_token_sees_a_later_one(build, random_ids, back_end):
    model, ids = build(attn_implementation=back_end), random_ids(2, 10)
    other = ids.clone()
    other[:, 6] = (ids[:, 6] - 3) % 92 + 4
    moved = (model(ids).logits - model(other).logits).abs().amax((0, 2))
    assert (moved > 0).tolist() == [False] * 6 + [True] * 4


@torch.no_grad()
def test_cache_filled_in_pieces_gives_the_same_logits(model, random_ids):
    ids, cache = random_ids(2, 9), DynamicCache()
    parts = ids.split([4, 3, 2], dim=1)
    pieces = [model(part, past_key_values=cache).logits for part in parts]
    assert_close(torch.cat(pieces, 1), model(ids).logits)


@torch.no_grad()
def test_left_padding_changes_nothing(model, random_ids):
    ids = random_ids(2, 6)
    padded = torch.cat((torch.full((2, 3), 2), ids), dim=1)
    mask = (padded != 2).long()
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    logits = model(padded, attention_mask=mask, position_ids=positions).logits
    assert_close(logits[:, 3:], model(ids).logits)


def test_padding_and_cache_change_no_choice(model, random_ids):
    def greedy(ids, **kwargs):
        kwargs |= {"do_sample": False, "eos_token_id": None, "max_new_tokens": 8}
        return model.generate(ids, **kwargs)

    ids = random_ids(2, 6)
    padded = torch.cat((torch.full((2, 3), 2), ids), dim=1)
    mask = (padded != 2).long()
    expected = greedy(ids)
    assert len(expected[:, 6:].unique()) > 4
    assert torch.equal(greedy(ids, use_cache=False), expected)
    static = {"cache_implementation": "static", "disable_compile": True}
    assert torch.equal(greedy(ids, **static), expected)
    assert torch.equal(greedy(padded, attention_mask=mask, **static)[:, 3:], expected)
    assert torch.equal(greedy(padded, attention_mask=mask)[:, 3:], expected)
    assert torch.equal(greedy(padded, attention_mask=mask, use_cache=False)[:, 3:], expected)


def test_saved_model_comes_back_equal(model, random_ids, tmp_path):
    with torch.no_grad():
        for parameter in model.parameters():  # values that no initialisation would give
            parameter.add_(torch.rand_like(parameter) * 0.01)
    model.save_pretrained(tmp_path / "model")
    loaded, info = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model",
        trust_remote_code=True,
        attn_implementation="eager",
        output_loading_info=True,
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ours, theirs = model.state_dict(), loaded.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    ids = random_ids(2, 5)
    kwargs = {"max_new_tokens": 5, "do_sample": False}
    assert torch.equal(loaded.eval().generate(ids, **kwargs), model.generate(ids, **kwargs))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("seed", [1, 42])
def test_first_loss_is_that_of_a_uniform_guess(build, random_ids, tied, seed):
    torch.manual_seed(seed)
    ids = random_ids(8, 48)
    loss = build(tie_word_embeddings=tied)(ids, labels=ids).loss
    assert loss.item() == pytest.approx(math.log(96), rel=0.05)


@pytest.mark.parametrize("tied", [True, False])
def test_each_parameter_is_initialised_by_a_rule(build, tied):
    model = build(tie_word_embeddings=tied)
    assert any(p is model.get_output_embeddings().weight for p in model.parameters())
    package = type(model.causal_lm).__module__.rpartition(".")[0]
    rule_of = sys.modules[f"{package}.init_weights"].rule_of
    for parameter in model.parameters():
        parameter.data.fill_(math.nan)
        parameter._is_hf_initialized = False
    for module in model.modules():
        model._init_weights(module)
        for name, parameter in module.named_parameters(recurse=False):
            assert parameter.isfinite().all(), name
            if not hasattr(module, "initial_value") and rule_of(module, name) != "matrix":
                assert torch.all(parameter == (rule_of(module, name) == "gain")), name
