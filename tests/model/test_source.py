"""From the graph of parts to the source of a model."""

import ast

import pytest
import torch

from forgather_hydra.model import build_model, modeling_code


def test_code_names_its_source_and_its_classes(code):
    module = ast.parse(code)
    assert "llama.yaml" in ast.get_docstring(module)
    classes = [item.name for item in module.body if isinstance(item, ast.ClassDef)]
    assert {"DynamicCausalLMConfig", "DynamicCasualLM"} <= set(classes)


def test_configuration_overrides_a_default(build):
    assert build(layer_dropout=0.25).causal_lm.layer_stack.layers[0].dropout.p == 0.25
    assert not any(isinstance(each, torch.nn.Dropout) for each in build().modules())


def test_layers_share_one_positional_encoder(build):
    layers = build().causal_lm.layer_stack.layers
    assert layers[0].attention.pos_encoder is layers[1].attention.pos_encoder


def test_angles_of_positions_are_computed_once_for_all_layers(build):
    model = build()
    encoder = model.causal_lm.layer_stack.layers[0].attention.pos_encoder
    ids = torch.arange(8)[None]
    expected = model(ids, use_cache=False).logits
    calls, angles = [], encoder.angles
    encoder.angles = lambda *args: calls.append(args) or angles(*args)
    model(ids, use_cache=False)
    assert len(calls) == 1
    encoder.angles = lambda like, ids: angles(like, torch.zeros(1, 8, dtype=torch.long))
    assert not torch.allclose(model(ids, use_cache=False).logits, expected)


def test_a_missing_value_is_named(code, config, tmp_path):
    del config["rope_theta"]
    with pytest.raises(AttributeError, match="rope_theta"):
        build_model(code, config, tmp_path)


def test_short_name_must_name_a_module():
    with pytest.raises(ValueError, match="small-llama"):
        modeling_code(None, short_name="small-llama")


def test_own_code_template(tmp_path):
    (tmp_path / "mine.py").write_text("model = {{ main_body }}  # {{ short_name }}\n")
    code = modeling_code([1, 2], "mine", template_name="mine.py", searchpath=tmp_path)
    assert code == "model = [1, 2]  # mine\n"
