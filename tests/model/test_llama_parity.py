"""The assembled model computes what transformers' Llama computes with the same weights."""

import pytest
import torch
from closeness import assert_close
from transformers import LlamaConfig, LlamaForCausalLM

RENAME = {
    "model.embed_tokens": "model.causal_lm.input_encoder.embedding",
    "model.norm": "model.causal_lm.layer_stack.layer_norm",
    "model.layers": "model.causal_lm.layer_stack.layers",
    "lm_head": "lm_head",
    "input_layernorm": "norm1",
    "post_attention_layernorm": "norm2",
    "self_attn.q_proj": "attention.query_linear",
    "self_attn.k_proj": "attention.key_linear",
    "self_attn.v_proj": "attention.value_linear",
    "self_attn.o_proj": "attention.output_linear",
    "mlp.": "feedforward.",
}


def renamed(name: str) -> str:
    for old, new in RENAME.items():
        name = name.replace(old, new)
    return name


@pytest.fixture
def llama(config):
    names = {
        "num_kv_heads": "num_key_value_heads",
        "d_head": "head_dim",
        "dim_feedforward": "intermediate_size",
        "max_sequence_length": "max_position_embeddings",
        "rope_theta": "rope_theta",
    }
    values = {names.get(key, key): value for key, value in config.items()}
    theta = values.pop("rope_theta")
    config = LlamaConfig(**values, rope_parameters={"rope_type": "default", "rope_theta": theta})
    return LlamaForCausalLM(config).double().eval()


@pytest.mark.parametrize("back_end", ["sdpa", "eager"])
def test_logits_and_gradients_equal_llama(build, llama, random_ids, back_end):
    for parameter in llama.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.05)
    model = build(attn_implementation=back_end).double()
    model.load_state_dict({renamed(name): value for name, value in llama.state_dict().items()})
    ids = random_ids(3, 40)
    ours, theirs = model(ids, labels=ids), llama(ids, labels=ids)
    assert_close(ours[1], theirs.logits)
    assert_close(ours[0], theirs.loss)

    ours[0].backward()
    theirs.loss.backward()
    gradients = {renamed(name): p.grad for name, p in llama.named_parameters()}
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, gradients[name], tolerance=1e-5, what=name)
