"""Models from the command line: parts swapped, combinations refused, models of transformers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import TINY, metrics
from transformers import AutoModelForCausalLM, AutoTokenizer

import forgather_hydra as fg
from forgather_hydra.config.application import composed
from forgather_hydra.config.check import check_job, decoded_job
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.build import materialize
from forgather_hydra.model import build_model

SHORT = [o for o in TINY if not o.startswith(("model_config", "trainer.args.max_steps"))]
SHORT += ["trainer.args.max_steps=4"]

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Any]:
    """The core of the model that some overrides choose, on the meta device."""

    def build(*overrides: str) -> Any:
        with composed(["+experiment=stories", *overrides]) as job:
            model = decoded_job(job)["model"].kwargs
        code, config = (materialize(model[name]) for name in ("code", "config"))
        directory = tempfile.mkdtemp(dir=tmp_path)
        with torch.device("meta"):
            return build_model(code, {"vocab_size": 96, **config}, directory).causal_lm

    return build


PARTS = {
    "attention=multihead": ("layers.0.attention", "CausalMultiheadAttn"),
    "attention=single_head": ("layers.0.attention", "SingleHeadAttn"),
    "feedforward=glu": ("layers.0.feedforward", "GLUFeedforwardLayer"),
    "feedforward=moe": ("layers.0.feedforward", "MixtureOfExperts"),
    "feedforward=mlp": ("layers.0.feedforward", "FeedforwardLayer"),
    "layer=deepnet": ("layers.0", "DeepnetLayer"),
    "layer=post_ln": ("layers.0", "PostLNLayer"),
    "layer=pre_ln": ("layers.0", "PreLNLayer"),
    "norm=layer_norm": ("layers.0.norm1", "LayerNorm"),
    "norm=rms_norm": ("layers.0.norm1", "RMSNorm"),
}
POSITIONS = {
    "learned": "LearnedPE",
    "none": "NoneType",
    "sinusoidal": "SinusoidalPE",
    "walsh": "WalshPE",
}


@pytest.mark.parametrize("choice", PARTS)
def test_a_part_is_swapped(build: Any, choice: str) -> None:
    model = "llama" if PARTS[choice][1] in ("FeedforwardLayer", "LayerNorm") else "causal_lm"
    stack = build(f"model={model}", f"model/{choice}").layer_stack
    path, name = PARTS[choice]
    assert type(stack.get_submodule(path)).__name__ == name


@pytest.mark.parametrize("choice", POSITIONS)
def test_absolute_positions_take_the_place_of_any_others(build: Any, choice: str) -> None:
    core = build("model=llama", f"model/positions={choice}")
    assert type(core.input_encoder.positional_encoder).__name__ == POSITIONS[choice]
    assert core.layer_stack.layers[0].attention.pos_encoder is None


def test_rotary_positions_take_the_place_of_absolute_ones(build: Any) -> None:
    core = build("model=gpt2", "model/positions=rotary", "+model_config.rope_theta=500")
    assert core.input_encoder.positional_encoder is None
    assert core.layer_stack.layers[0].attention.pos_encoder.theta == 500


@pytest.mark.parametrize(
    ("choice", "name"), [("chunked", "ChunkedCausalLoss"), ("fused", "LinearCausalLoss")]
)
def test_the_loss_is_swapped(build: Any, choice: str, name: str) -> None:
    assert type(build(f"model/loss={choice}").loss_fn).__name__ == name


def test_a_final_norm_comes_and_goes_with_the_layers(build: Any) -> None:
    assert build("model=llama", "model/layer=post_ln").layer_stack.layer_norm is None
    assert build("model=causal_lm", "model/layer=pre_ln").layer_stack.layer_norm is not None


@pytest.mark.parametrize("model", ["llama", "qwen3", "deepone"])
def test_alibi_comes_without_other_positions(build: Any, model: str) -> None:
    words = [f"model={model}", "model/attention=alibi", "+model_config.alt_alibi_init=true"]
    words[2] = words[2].removeprefix("+") if model == "deepone" else words[2]
    core = build(*words)
    attention = core.layer_stack.layers[0].attention
    assert type(attention).__name__ == "CausalAlibiAttn"
    assert attention.make_slopes.__name__ == "spanning_slopes"
    assert not any(type(module).__name__ == "RotaryPE" for module in core.modules())


REFUSED = {
    "model=causal_lm model/attention=alibi": "twice: absolute by SinusoidalPE and relative by",
    "model=gpt2 model/attention=alibi": "twice: absolute by LearnedPE .*model/positions=none",
    "model=deepone model/positions=rotary": "twice, by ALiBi and by RotaryPE",
    "model/attention=alibi model/positions=rotary": "twice, by ALiBi and by RotaryPE",
    "model/attention=single_head": "RotaryPE is for heads of 16, .*num_attention_heads=1",
    "model_config.num_attention_heads=5": "d_model=64 is not a multiple of num_heads=5",
    "model_config.num_key_value_heads=3": "num_heads=4 is not a multiple of num_kv_heads=3",
    "model_config.head_dim=15": "RotaryPE needs an even head size, got d_head=15",
    "model=hf_llama model_config.num_attention_heads=5": "size .* not a multiple of the num",
    "model_config.hidden_size=sixty": "^model_config.hidden_size=sixty: ",
    "+model_config.foo=3 model_config.hidden_size=32": r"^\+model_config.foo=3: .*'foo'; its parts",
    "+model_config.num_kv_heads=2": "did you mean num_key_value_heads?",
    "trainer.args.save_steps=0 trainer.args.max_grad_norm=-1": (
        r"^trainer.args.save_steps=0 trainer.args.max_grad_norm=-1: (?s:.*)\n  - save_steps is 0: "
    ),
    "trainer=pipeline trainer.args.per_device_train_batch_size=6": (
        "^trainer.args.per_device_train_batch_size=6: .* multiple of the 4 microbatches"
    ),
    "trainer=pipeline resources.nproc_per_node=4": "nproc_per_node=4: .* 4 stages need as many",
    "trainer=pipeline trainer.stage_layers=[1,2]": "layers=.1,2.: .*: stage_layers adds up to 3",
    "+experiment=baseline trainer=pipeline": (
        r"conf/experiment/baseline.yaml:\d+: trainer.args.per_device_train_batch_size: this"
    ),
    "trainer=pipeline model=hf_llama": "LlamaForCausalLM cannot be cut into pipeline stages",
    "trainer=pipeline model=hf_llama ~preflight": "LlamaForCausalLM cannot be cut into pipeline",
    "model=pretrained model.path=cache": r"cache holds no model: it has no config\.json",
    "model=pretrained model.path=x model.save_dtype=bf16": "save_dtype=bf16: choose float32",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_does_not_go_together_is_refused_before_anything_is_made(
    folder: Path, words: str
) -> None:
    (folder / "cache").mkdir()
    start = () if words.startswith("+experiment") else SHORT
    with pytest.raises(ForgatherError, match=REFUSED[words]):
        fg.launch(*start, *words.split(), "hydra.run.dir=run")
    assert list(folder.iterdir()) == [folder / "cache"]  # which holds compositions, and no data
    made = {path.name for path in folder.rglob("*") if path.is_dir()}
    assert made <= {"cache", "forgather_hydra", "compositions"}


def test_a_misspelt_value_of_a_template_is_told_with_its_line(folder: Path) -> None:
    (folder / "mine/model").mkdir(parents=True)
    lines = ["# @package _global_", "-- extends 'models/llama.yaml'", "-- block model_config"]
    lines += ["    == super()", "    hidden_sise: 96", "    note: mine", "-- endblock", ""]
    (folder / "mine/model/odd.yaml").write_text("\n".join(lines))
    words = [*SHORT, "hydra.searchpath=[forgather://mine]", "model=odd"]
    told = r"^mine/model/odd.yaml:5: .*'hidden_sise'; did you mean hidden_size"
    with pytest.raises(ForgatherError, match=told):
        fg.launch(*words)


def test_values_that_nothing_reads_are_left_where_parts_are_swapped() -> None:
    parts = ("attention=single_head", "positions=none", "norm=layer_norm", "feedforward=moe")
    added = ["+model_config.num_experts=3", "+model_config.use_cache=false"]
    words = ["+experiment=stories", *(f"model/{part}" for part in parts), *added]
    with composed(words) as job:
        check_job(job)


def test_a_refusal_names_the_template_line_of_the_user(forgather: Any, tmp_path: Path) -> None:
    (tmp_path / "mine/model").mkdir(parents=True)
    lines = ["# @package _global_", "-- extends 'models/llama.yaml'", "-- block model_config"]
    lines += ["    == super()", "    hidden_size: 97", "-- endblock model_config", ""]
    (tmp_path / "mine/model/odd.yaml").write_text("\n".join(lines))
    words = ("--config-dir", "mine", "+experiment=stories", "model=odd")
    done = forgather(*words, cwd=tmp_path, expect=2)
    (line,) = (done.stdout + done.stderr).strip().splitlines()
    assert line.startswith("error: mine/model/odd.yaml:5: model=odd: d_model=97 is not a multiple")


def test_a_sweep_is_refused_before_its_first_job(folder: Path) -> None:
    words = ["model=causal_lm", "model/attention=multihead,alibi"]
    with pytest.raises(ForgatherError, match="positions are encoded twice"):
        fg.launch(*SHORT, *words, "hydra.sweep.dir=sweep", multirun=True)
    assert not list(folder.rglob("metrics.jsonl"))


def test_refused_on_the_command_line(forgather: Any, tmp_path: Path) -> None:
    words = ("+experiment=stories", "model=causal_lm", "model/attention=alibi")
    done = forgather(*words, cwd=tmp_path, expect=2)
    (line,) = (done.stdout + done.stderr).strip().splitlines()
    assert line.startswith(
        "error: model=causal_lm model/attention=alibi: positions are encoded twice"
    )
    assert not list(tmp_path.iterdir())


def test_a_sweep_over_attention(folder: Path) -> None:
    words = ["model_config.hidden_size=32", "model/attention=alibi,multihead"]
    words += ["model/feedforward=moe", "model/loss=fused"]
    fg.launch(*SHORT, *words, "hydra.sweep.dir=sweep", multirun=True)
    for job, part in ("0", "causal_alibi_attn.py"), ("1", "rotary_embeddings.py"):
        assert (folder / "sweep" / job / "model" / part).is_file()
        assert metrics(folder / "sweep" / job)[-1]["final"]


def test_a_new_model_of_transformers_and_its_training_continued(folder: Path) -> None:
    size = ["model_config.hidden_size=32", "+model_config.intermediate_size=64"]
    mistral = ["model=from_config_class", "model_config._target_=transformers.MistralConfig"]
    size += ["+model_config.num_key_value_heads=2"]
    fg.launch(*SHORT, *mistral, *size, "hydra.run.dir=first")
    model = AutoModelForCausalLM.from_pretrained("first/model")
    tokenizer = AutoTokenizer.from_pretrained("first/model")
    assert type(model).__name__ == "MistralForCausalLM"
    assert (model.config.hidden_size, model.config.vocab_size) == (32, len(tokenizer))
    assert model.config.eos_token_id == tokenizer.eos_token_id

    fg.launch(*SHORT, *_PRETRAINED, "hydra.run.dir=second")
    before, after = metrics(folder / "first"), metrics(folder / "second")
    assert after[0]["eval_loss"] == pytest.approx(before[-1]["eval_loss"], abs=1e-5)
    assert after[-1]["eval_loss"] < before[-1]["eval_loss"]


_PRETRAINED = ("model=pretrained", "model.path=first/model")


def test_training_of_an_exported_model_continued(folder: Path) -> None:
    small = ["model=qwen3", "model_config.hidden_size=32", "+trainer.args.default_dtype=bfloat16"]
    fg.launch(*SHORT, *small, "hydra.run.dir=first")
    fg.launch(*SHORT, *_PRETRAINED, "hydra.run.dir=second")
    told = "are bfloat16; they train in float32 (model.dtype) and are saved in bfloat16"
    assert told in (folder / "second/forgather.log").read_text()
    stored = load_file(folder / "second/checkpoints/checkpoint-4/model.safetensors").values()
    assert {tensor.dtype for tensor in stored} == {torch.float32}
    saved = load_file(folder / "second/model/model.safetensors").values()
    assert {tensor.dtype for tensor in saved} == {torch.bfloat16}
    config = json.loads((folder / "second/model/config.json").read_text())
    assert config["dtype"] == "bfloat16"
    assert config["model_type"].startswith("qwen3")
    again = AutoModelForCausalLM.from_pretrained("second/model", trust_remote_code=True)
    assert type(again.causal_lm.layer_stack.layers[1].attention.query_norm).__name__ == "RMSNorm"
