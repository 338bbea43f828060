"""From the graph of parts to a running model."""

import ast

import pytest
import torch

import forgather_hydra as fg
from forgather_hydra.model import build_model, modeling_code

LLAMA = """
loss_fn: &loss_fn !singleton:.causal_loss:CausalLoss@loss_fn []

layer_norm_factory: &layer_norm_factory !partial:.rms_norm:RMSNorm@layer_norm_factory
    normalized_shape: !var "hidden_size"
    eps: !var "rms_norm_eps"

feedforward_factory: &feedforward_factory !partial:.glu_feedforward:GLUFeedforwardLayer@feedforward_factory
    d_model: !var "hidden_size"
    d_feedforward: !var "dim_feedforward"
    activation_factory: !partial:torch.nn:SiLU []
    dropout: !var { name: "activation_dropout", default: 0.0 }

rel_positional_encoder: &rel_positional_encoder !singleton:.rotary_embeddings:RotaryPE@rel_positional_encoder
    d_head: !var "d_head"
    max_sequence_length: !var "max_sequence_length"
    theta: !var "rope_theta"

attention_factory: &attention_factory !partial:.causal_multihead_attn:CausalMultiheadAttn@attention_factory
    d_model: !var "hidden_size"
    num_heads: !var "num_attention_heads"
    num_kv_heads: !var "num_kv_heads"
    d_head: !var "d_head"
    pos_encoder: *rel_positional_encoder
    dropout: !var { name: "attention_dropout", default: 0.0 }
    attn_implementation: !var "attn_implementation"

layer_factory: &layer_factory !partial:.pre_ln_layer:PreLNLayer@layer_factory
    feedforward_factory: *feedforward_factory
    attention_factory: *attention_factory
    norm_factory: *layer_norm_factory
    dropout: !var { name: "layer_dropout", default: 0.0 }
    residual_dropout: !var { name: "residual_dropout", default: 0.0 }

layer_stack: &layer_stack !singleton:.layer_stack:LayerStack@layer_stack
    layer_factory: *layer_factory
    num_hidden_layers: !var "num_hidden_layers"
    post_norm_factory: *layer_norm_factory

output_decoder: &output_decoder !singleton:torch.nn:Linear@output_decoder
    args: [ !var "hidden_size", !var "vocab_size" ]
    kwargs: { bias: False }

input_encoder: &input_encoder !singleton:.input_encoder:InputEncoder@input_encoder
    d_model: !var "hidden_size"
    vocab_size: !var "vocab_size"
    dropout: !var { name: "embedding_dropout", default: 0.0 }

init_weights: &init_weights !partial:.init_weights:simple_weight_init@init_weights
    std: !var { name: "initializer_range", default: 0.02 }
    residual_layers: !var "num_hidden_layers"

attn_mask_fn: &attn_mask_fn !partial:.causal_mask:causal_mask@attn_mask_fn
    sliding_window: !var { name: "sliding_window", default: null }

model_factory: !singleton:.causal_lm:CasualLM@model_factory
    loss_fn: *loss_fn
    input_encoder: *input_encoder
    output_decoder: *output_decoder
    layer_stack: *layer_stack
    init_weights: *init_weights
    attn_mask_fn: *attn_mask_fn
"""


@pytest.fixture(scope="module")
def generated() -> str:
    graph = fg.ConfigEnvironment().parse(LLAMA).config
    return modeling_code(graph.model_factory, short_name="small_llama", source="llama.yaml")


def test_generated_model_is_the_hand_written_one(generated, code, config, random_ids, tmp_path):
    ids, results = random_ids(2, 8), []
    for name, text in (("generated", generated), ("by_hand", code)):
        torch.manual_seed(3)
        model = build_model(text, config, tmp_path / name)
        results.append((model.state_dict(), model(ids)))
    (ours, our_logits), (theirs, their_logits) = results
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert torch.equal(our_logits, their_logits)


def test_code_names_its_source_and_its_classes(generated):
    module = ast.parse(generated)
    assert "llama.yaml" in ast.get_docstring(module)
    classes = [item.name for item in module.body if isinstance(item, ast.ClassDef)]
    assert {"DynamicCausalLMConfig", "DynamicCasualLM"} <= set(classes)


def test_configuration_overrides_a_default(generated, config, tmp_path):
    model = build_model(generated, config | {"layer_dropout": 0.25}, tmp_path)
    assert model.causal_lm.layer_stack.layers[0].dropout.p == 0.25


def test_a_missing_value_is_named(generated, config, tmp_path):
    del config["rope_theta"]
    with pytest.raises(AttributeError, match="rope_theta"):
        build_model(generated, config, tmp_path)


def test_short_name_must_name_a_module():
    with pytest.raises(ValueError, match="small-llama"):
        modeling_code(None, short_name="small-llama")
