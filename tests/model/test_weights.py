"""Weights: constructed without initialisation, in a dtype, saved in shards and loaded again."""

import json

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlamaConfig

import forgather_hydra as fg
from forgather_hydra.model import (
    build_model,
    default_dtype,
    export_model,
    load_checkpoint,
    modeling_code,
    no_init_weights,
    save_checkpoint,
)
from forgather_hydra.model.trial import run_trial

TINY = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 64,
}


def assert_same_tensors(model, other):
    ours, theirs = model.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def fresh(directory, **kwargs):
    config = AutoConfig.from_pretrained(directory, trust_remote_code=True)
    return AutoModelForCausalLM.from_config(config, **kwargs)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("size", ["5GB", 30_000])
def test_saved_weights_load_here_and_by_from_pretrained(build, tmp_path, tied, size):
    directory = tmp_path / "model"
    model = build(directory, tie_word_embeddings=tied)
    save_checkpoint(directory, model, max_shard_size=size)
    files = {path.name for path in directory.glob("model*")}
    assert len({path.stat().st_mode for path in directory.iterdir()}) == 1
    if size == "5GB":
        assert files == {"model.safetensors"}
    else:
        index = json.loads((directory / "model.safetensors.index.json").read_text())
        assert len(files) > 2
        assert ("lm_head.weight" in index["weight_map"]) == (not tied)
        assert "model.causal_lm.input_encoder.embedding.weight" in index["weight_map"]
    loaded = fresh(directory)
    load_checkpoint(directory, loaded)
    assert_same_tensors(loaded, model)
    theirs, info = AutoModelForCausalLM.from_pretrained(
        directory, trust_remote_code=True, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert_same_tensors(theirs, model)


def test_what_from_pretrained_saves_loads_here_even_onto_nothing(build, random_ids, tmp_path):
    directory, ids = tmp_path / "model", random_ids(2, 5)
    model = build(directory, tie_word_embeddings=True)
    model.save_pretrained(directory, max_shard_size="30KB")
    with torch.device("meta"):
        loaded = fresh(directory)
    load_checkpoint(directory, loaded, device="cpu")
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight
    assert_same_tensors(loaded, model)
    assert torch.equal(loaded.eval()(ids).logits, model(ids).logits)


def test_buffers_that_no_checkpoint_holds_are_computed(tmp_path):
    config = LlamaConfig(**TINY)
    model = AutoModelForCausalLM.from_config(config).eval()
    save_checkpoint(tmp_path, model)
    with torch.device("meta"):
        loaded = AutoModelForCausalLM.from_config(config).eval()
    load_checkpoint(tmp_path, loaded)
    ids = torch.randint(64, (1, 9))
    assert torch.equal(loaded(ids).logits, model(ids).logits)


def test_one_file_replaces_former_shards(build, tmp_path):
    model = build()
    save_checkpoint(tmp_path / "model", model, max_shard_size=30_000)
    save_checkpoint(tmp_path / "model", model)
    assert [path.name for path in (tmp_path / "model").glob("*safetensors*")] == [
        "model.safetensors"
    ]


def test_weights_of_another_model_are_refused_by_name(build, tmp_path):
    save_checkpoint(tmp_path / "weights", build(num_hidden_layers=1))
    with pytest.raises(RuntimeError, match=r"missing model\.causal_lm\.layer_stack\.layers\.1\."):
        load_checkpoint(tmp_path / "weights", build(num_hidden_layers=2))
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_checkpoint(tmp_path / "weights", build(num_hidden_layers=1, hidden_size=32))
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "nowhere", build())


def test_construction_without_initialisation_draws_no_number(build, tmp_path):
    build(tie_word_embeddings=True)
    before = torch.get_rng_state()
    with no_init_weights(), default_dtype(torch.bfloat16):
        model = fresh(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    again = fresh(tmp_path / "model")
    assert not torch.equal(torch.get_rng_state(), before)
    assert again.get_input_embeddings().weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_a_type_that_the_configuration_names_gives_way_to_the_default_type(build, tmp_path):
    build().save_pretrained(tmp_path / "model")
    config = AutoConfig.from_pretrained(tmp_path / "model", trust_remote_code=True)
    assert config.dtype == torch.float32
    with default_dtype(torch.bfloat16):
        made = AutoModelForCausalLM.from_config(config)
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model", trust_remote_code=True)
        asked = AutoModelForCausalLM.from_config(config, dtype=torch.float16)
    assert (made.dtype, loaded.dtype, asked.dtype) == (torch.bfloat16, torch.bfloat16, torch.half)
    assert fresh(tmp_path / "model").dtype == torch.float32


def test_code_that_was_first_imported_without_initialisation_initialises_later(
    render, config, tmp_path
):
    export_model(render("imported_late"), config, tmp_path)
    ones_ = nn.init.ones_
    with no_init_weights():
        fresh(tmp_path)
    assert nn.init.ones_ is ones_
    model = fresh(tmp_path)
    for parameter in model.parameters():
        parameter.data.fill_(torch.nan)
        parameter._is_hf_initialized = False
    for module in model.modules():
        model._init_weights(module)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


PART = """
import torch
from torch import nn


class Inner(nn.Module):
    def __init__(self, size, start):
        super().__init__()
        taper = torch.arange(size) / size + start
        self.register_buffer("taper", taper, persistent=False)


class TaperedNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.inner = Inner(size, start=0.5)
        self.register_buffer("ramp", torch.linspace(1.0, 2.0, size), persistent=False)

    def forward(self, x):
        return x * self.weight * self.inner.taper * self.ramp
"""


@pytest.fixture(params=[PART])
def tapered(request, llama_text, config, tmp_path):
    """The directory of a saved model, one part of which holds constants that no file has."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/tapered_norm.py").write_text(request.param)
    norm, size = ".rms_norm:RMSNorm@layer_norm_factory", "normalized_shape: "
    text = llama_text.replace(norm, ".tapered_norm:TaperedNorm@layer_norm_factory")
    text = text.replace(size, "size: ").replace('    eps: !var "rms_norm_eps"\n', "")
    code = modeling_code(fg.ConfigEnvironment().parse(text).config.model_factory, "tapered")
    model = build_model(code, config, tmp_path / "model", part_dirs=[tmp_path / "parts"])
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def assert_right_constants(model):
    buffers = dict(model.named_buffers())
    assert len(buffers) == 2 * 5
    for name, buffer in buffers.items():
        ramp = (
            torch.linspace(1.0, 2.0, 64) if name.endswith("ramp") else torch.arange(64) / 64 + 0.5
        )
        assert torch.equal(buffer, ramp.to(buffer.dtype)), name


def test_constants_of_a_part_of_ones_own_come_back(tapered, random_ids):
    before = torch.get_rng_state()
    model = AutoModelForCausalLM.from_pretrained(tapered, trust_remote_code=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert_right_constants(model)
    base = AutoModel.from_pretrained(tapered, trust_remote_code=True)
    assert_right_constants(base)
    with torch.device("meta"):
        empty = fresh(tapered)
    load_checkpoint(tapered, empty)
    assert_right_constants(empty)
    ids = random_ids(1, 9)
    logits = model(input_ids=ids, return_dict=True).logits
    assert torch.equal(empty(input_ids=ids, return_dict=True).logits, logits)


RANDOM = PART.replace("torch.arange(size) / size", "torch.rand(size)")


@pytest.mark.parametrize("tapered", [RANDOM], indirect=True)
def test_a_trial_sees_constants_that_do_not_come_back(tapered):
    model = AutoModelForCausalLM.from_pretrained(tapered, trust_remote_code=True)
    check = run_trial(model, steps=1).checks[-1]
    assert not check.passed
    assert "layers.0.norm1.inner.taper" in check.detail
