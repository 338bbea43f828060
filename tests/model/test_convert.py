"""Conversion of whole models: the same logits and tokens, and the way out and back exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
)

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
    assert (ours(ids) - theirs(ids).logits).abs().max() < 1e-4
    greedy = {"max_new_tokens": 12, "do_sample": False}
    assert torch.equal(ours.generate(ids, **greedy), theirs.generate(ids, **greedy))
    assert AutoTokenizer.from_pretrained(tmp_path / "ours").vocab_size == 24

    back = convert(tmp_path / "ours", tmp_path / "back", to="transformers")
    before, after = (load_file(path / "model.safetensors") for path in (source, back))
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    before, after = (AutoConfig.from_pretrained(path).to_dict() for path in (source, back))
    assert {**before, "_name_or_path": ""} == {**after, "_name_or_path": ""}


def test_bfloat16_stays_bfloat16(tmp_path):
    model = random_model(MODELS["llama, tied, with biases"], torch.bfloat16)
    model.save_pretrained(tmp_path / "theirs")
    convert(tmp_path / "theirs", tmp_path / "ours", to="forgather")
    convert(tmp_path / "ours", tmp_path / "back", to="transformers")
    tensors = [load_file(tmp_path / d / "model.safetensors") for d in ("theirs", "back")]
    assert all(tensor.dtype == torch.bfloat16 for tensor in tensors[1].values())
    assert all(torch.equal(tensor, tensors[1][name]) for name, tensor in tensors[0].items())
    assert loaded(tmp_path / "ours").dtype == torch.bfloat16
