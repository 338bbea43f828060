"""The GPT-2 template computes what transformers' GPT-2 computes with the same weights."""

import pytest
import torch
from closeness import assert_close
from transformers import GPT2Config, GPT2LMHeadModel

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import modeling_code

RENAME = {
    "transformer.wte": "model.causal_lm.input_encoder.embedding",
    "transformer.wpe": "model.causal_lm.input_encoder.positional_encoder.embedding",
    "transformer.h.": "model.causal_lm.layer_stack.layers.",
    "transformer.ln_f": "model.causal_lm.layer_stack.layer_norm",
    "lm_head": "lm_head",
    "ln_1": "norm1",
    "ln_2": "norm2",
    "attn.c_proj": "attention.output_linear",
    "mlp.c_fc": "feedforward.linear1",
    "mlp.c_proj": "feedforward.linear2",
}
# transformers keeps the matrices of these layers transposed
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def renamed(state):
    """Weights of GPT-2 under the names of the template."""
    result = {}
    for name, tensor in state.items():
        new = name
        for old, replacement in RENAME.items():
            new = new.replace(old, replacement)
        tensor = tensor.T if name.endswith(TRANSPOSED) else tensor
        if "attn.c_attn" in name:
            for role, part in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                result[new.replace("attn.c_attn", f"attention.{role}_linear")] = part
        else:
            result[new] = tensor
    return result


@pytest.fixture(scope="module")
def template():
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    return environment.load("models/gpt2.yaml").config.model.kwargs


@pytest.fixture(scope="module")
def code(template):
    return modeling_code(**template["code"].kwargs)


@pytest.fixture
def config(template):
    sizes = {"vocab_size": 96, "hidden_size": 64, "intermediate_size": 256}
    return {**template["config"], **sizes, "max_position_embeddings": 64}


@pytest.fixture
def gpt2(config):
    names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer"}
    names |= {"num_attention_heads": "n_head", "max_position_embeddings": "n_positions"}
    model = GPT2LMHeadModel(
        GPT2Config(
            **{names[key]: config[key] for key in names},
            vocab_size=96,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=2,
        )
    )
    for parameter in model.parameters():  # else biases are 0 and gains 1
        parameter.data.add_(torch.randn_like(parameter) * 0.05)
    return model.double().eval()


@torch.no_grad()
@pytest.mark.parametrize("back_end", ["sdpa", "eager"])
def test_logits_and_tokens_equal_gpt2(build, gpt2, random_ids, back_end):
    model = build(attn_implementation=back_end, bos_token_id=0, eos_token_id=1, pad_token_id=2)
    model.double().load_state_dict(renamed(gpt2.state_dict()))
    ids = random_ids(3, 40)
    assert_close(model(ids).logits, gpt2(ids).logits)
    arguments = {"max_new_tokens": 10, "do_sample": False}
    assert torch.equal(model.generate(ids, **arguments), gpt2.generate(ids, **arguments))


def test_dropout_defaults_are_those_of_gpt2(config):
    theirs = GPT2Config()
    assert config["embedding_dropout"] == theirs.embd_pdrop
    assert config["layer_dropout"] == theirs.resid_pdrop
    assert config["attention_dropout"] == theirs.attn_pdrop
    assert config["layer_norm_epsilon"] == theirs.layer_norm_epsilon
