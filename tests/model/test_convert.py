"""Conversion of whole models: the same logits and tokens, and the way out and back exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import assert_close
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Olmo2Config,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import build_model, modeling_code
from forgather_hydra.model.convert import convert

IDS = {"vocab_size": 96, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    **IDS,
}

MODELS = {
    "llama": LlamaConfig(**SHAPE, rope_parameters={"rope_type": "default", "rope_theta": 5e4}),
    "llama, tied, with biases": LlamaConfig(
        **SHAPE, tie_word_embeddings=True, attention_bias=True, mlp_bias=True, head_dim=24
    ),
    "llama, rotary positions scaled": LlamaConfig(
        **SHAPE,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 1e4,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    ),
    "mistral": MistralConfig(**SHAPE, sliding_window=8),
    "mistral, all of the text": MistralConfig(**SHAPE, sliding_window=None, head_dim=32),
    "qwen3": Qwen3Config(**SHAPE, head_dim=24, attention_bias=True),
    "qwen3, tied, a window in the second layer": Qwen3Config(
        **SHAPE,
        head_dim=32,
        tie_word_embeddings=True,
        use_sliding_window=True,
        sliding_window=8,
        max_window_layers=1,
    ),
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "smollm3, rotary in all layers": SmolLM3Config(**SHAPE, no_rope_layers=[1, 1]),
    "mixtral": MixtralConfig(**SHAPE, num_local_experts=3, head_dim=16),
    "gpt2": GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=64, **IDS),
    "gpt2, untied": GPT2Config(
        n_embd=64, n_layer=2, n_head=2, n_inner=80, n_positions=64, tie_word_embeddings=False, **IDS
    ),
}


def random_model(config: PretrainedConfig, dtype: torch.dtype = torch.float32) -> Any:
    """A model whose weights, biases and gains are all far from what a new one has."""
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return model.to(dtype).eval()


def loaded(directory: Path) -> Any:
    model, info = AutoModelForCausalLM.from_pretrained(
        directory, trust_remote_code=True, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    return model.eval()


@pytest.fixture(params=MODELS)
def source(request, tokenizer, tmp_path) -> Path:
    """The directory of a random model of transformers, with a tokenizer."""
    directory = tmp_path / "theirs"
    random_model(MODELS[request.param]).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@torch.no_grad()
def test_both_ways(source, random_ids, tmp_path):
    ours = loaded(convert(source, tmp_path / "ours", to="forgather"))
    theirs, ids = loaded(source), random_ids(2, 48)
    assert_close(ours(ids).logits, theirs(ids).logits)
    greedy = {"max_new_tokens": 12, "do_sample": False}
    assert torch.equal(ours.generate(ids, **greedy), theirs.generate(ids, **greedy))
    assert AutoTokenizer.from_pretrained(tmp_path / "ours").vocab_size == 24

    assert len({path.stat().st_mode for path in (tmp_path / "ours").iterdir()}) == 1

    back = convert(tmp_path / "ours", tmp_path / "back", to="transformers")
    before, after = (load_file(path / "model.safetensors") for path in (source, back))
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    before, after = (AutoConfig.from_pretrained(path).to_dict() for path in (source, back))
    assert {**before, "_name_or_path": ""} == {**after, "_name_or_path": ""}


@torch.no_grad()
def test_rotary_positions_go_on_behind_the_trained_length_as_theirs_do(random_ids, tmp_path):
    theirs, ids = random_model(MODELS["llama"]), random_ids(1, 80)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = loaded(convert(tmp_path / "theirs", tmp_path / "ours", to="forgather"))
    expected = theirs(ids).logits
    assert (ours(ids, return_dict=True).logits - expected).abs().max() < 1e-5 * expected.abs().max()
    greedy = {"max_new_tokens": 20, "do_sample": False}
    assert torch.equal(ours.generate(ids[:, :60], **greedy), theirs.generate(ids[:, :60], **greedy))


def test_bfloat16_stays_bfloat16(tmp_path):
    model = random_model(MODELS["llama, tied, with biases"], torch.bfloat16)
    model.save_pretrained(tmp_path / "theirs")
    convert(tmp_path / "theirs", tmp_path / "ours", to="forgather")
    convert(tmp_path / "ours", tmp_path / "back", to="transformers")
    tensors = [load_file(tmp_path / d / "model.safetensors") for d in ("theirs", "back")]
    assert all(tensor.dtype == torch.bfloat16 for tensor in tensors[1].values())
    assert all(torch.equal(tensor, tensors[1][name]) for name, tensor in tensors[0].items())
    assert loaded(tmp_path / "ours").dtype == torch.bfloat16


def test_a_model_with_other_parts_is_refused(tmp_path):
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    node = environment.load_from_string(
        "-- extends 'models/llama.yaml'\n"
        "-- block attention_factory\n"
        "-- include 'models/parts/attention/alibi.yaml'\n"
        "-- endblock attention_factory\n"
    ).config.model.kwargs
    code = modeling_code(**node["code"].kwargs)
    model = build_model(code, {**node["config"], **SHAPE}, tmp_path / "ours")
    model.save_pretrained(tmp_path / "ours")
    with pytest.raises(ValueError, match=r"logits differ by .* part of the model been replaced"):
        convert(tmp_path / "ours", tmp_path / "theirs", to="transformers")
    with pytest.raises(ValueError, match="the configuration of the model is none of qwen3"):
        convert(tmp_path / "ours", tmp_path / "theirs", to="transformers", model_type="qwen3")
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_a_window_that_llama_has_no_place_for_is_told(tmp_path):
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    node = environment.load("models/llama.yaml").config.model.kwargs
    config = {**node["config"], **SHAPE, "sliding_window": 4}
    build_model(modeling_code(**node["code"].kwargs), config, tmp_path / "ours").save_pretrained(
        tmp_path / "ours"
    )
    with pytest.raises(ValueError, match="sliding_window=4: llama has none; convert it to mistral"):
        convert(tmp_path / "ours", tmp_path / "theirs", to="transformers")
    convert(tmp_path / "ours", tmp_path / "theirs", to="transformers", model_type="mistral")
    assert loaded(tmp_path / "theirs").config.sliding_window == 4


def test_a_trained_bias_that_qwen2_has_no_place_for_is_told(tmp_path):
    random_model(MODELS["qwen2"]).save_pretrained(tmp_path / "theirs")
    ours = loaded(convert(tmp_path / "theirs", tmp_path / "ours", to="forgather"))
    for name, parameter in ours.named_parameters():
        if name.endswith("output_linear.bias"):
            parameter.data.fill_(1.0)
    ours.save_pretrained(tmp_path / "ours")
    with pytest.raises(ValueError, match="biases at its output, for which qwen2 has no place"):
        convert(tmp_path / "ours", tmp_path / "back", to="transformers")


def test_what_cannot_be_converted_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no model: there is no .*config\.json"):
        convert(tmp_path, tmp_path / "new", to="forgather")
    random_model(LlamaConfig(**SHAPE, hidden_act="gelu")).save_pretrained(tmp_path / "gelu")
    with pytest.raises(FileExistsError, match="gelu is there already"):
        convert(tmp_path / "gelu", tmp_path / "gelu", to="forgather")
    with pytest.raises(ValueError, match=r"hidden_act='gelu': models/llama\.yaml computes 'silu'"):
        convert(tmp_path / "gelu", tmp_path / "new", to="forgather")
    random_model(SmolLM3Config(**SHAPE, no_rope_layers=[1, 0])).save_pretrained(tmp_path / "nope")
    with pytest.raises(ValueError, match=r"no_rope_layers=\[1, 0\]: models/llama\.yaml computes"):
        convert(tmp_path / "nope", tmp_path / "new", to="forgather")
    random_model(Olmo2Config(**SHAPE)).save_pretrained(tmp_path / "olmo2")
    with pytest.raises(ValueError, match=r"'olmo2' cannot be converted: its norms stand behind"):
        convert(tmp_path / "olmo2", tmp_path / "new", to="forgather")
    random_model(Gemma3TextConfig(**SHAPE)).save_pretrained(tmp_path / "gemma3")
    with pytest.raises(ValueError, match="scores are scaled by query_pre_attn_scalar"):
        convert(tmp_path / "gemma3", tmp_path / "new", to="forgather")
    random_model(GPTNeoXConfig(**SHAPE)).save_pretrained(tmp_path / "neox")
    with pytest.raises(ValueError, match="type 'gpt_neox' cannot be converted; only gpt2, llama"):
        convert(tmp_path / "neox", tmp_path / "new", to="forgather")
    assert not (tmp_path / "new").exists()
