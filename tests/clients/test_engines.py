"""vLLM, SGLang: what they publish as requirements of a model, without an engine.

vLLM: https://docs.vllm.ai/en/latest/models/supported_models.html#writing-custom-models
SGLang: https://docs.sglang.io/supported_models/transformers_fallback.html
transformers: https://huggingface.co/docs/transformers/main/en/transformers_as_backend
"""

import json
import re
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights
from client_processes import in_two_processes
from torch import nn
from transformers import AttentionInterface, AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
# Biases of ALiBi are added to scores, and a single head is written out: engines do neither.
REFUSED = {"alibi", "alibi_gqa", "single_head"}
# Embeddings are scaled, or positions added to them, which each stage would do again.
UNDIVIDED = {"alibi", "alibi_gqa", "gpt2", "single_head"}


@pytest.fixture
def config(directory):
    return AutoConfig.from_pretrained(directory, trust_remote_code=True)


@pytest.fixture
def base(config):
    """The base model as an engine makes it: no weights yet, but buffers."""
    with init_empty_weights(include_buffers=False):
        return AutoModel.from_config(config, trust_remote_code=True)


class Engine:
    """An attention function of an engine's kind, called once a layer.

    Its keys and values are its own, so it needs no mask and no cache; it answers in rows of tokens.
    """

    def __init__(self) -> None:
        self.calls: dict[int, dict] = {}
        self.cache: dict[int, tuple] = {}

    def __call__(self, module, query, key, value, attention_mask, scaling=None, **kwargs):
        assert query.ndim == key.ndim == value.ndim == 4
        assert query.shape[1] == value.shape[1] * query.shape[1] // key.shape[1]
        assert getattr(module, "is_causal", True)
        self.calls[module.layer_idx] = kwargs
        for_all = self.cache.get(module.layer_idx)
        keys, values = (
            (key, value)
            if for_all is None
            else (torch.cat([old, new], 2) for old, new in zip(for_all, (key, value), strict=True))
        )
        self.cache[module.layer_idx] = keys, values
        groups = query.shape[1] // keys.shape[1]
        seen = torch.ones(query.shape[2], keys.shape[2], dtype=torch.bool)
        seen = seen.tril(keys.shape[2] - query.shape[2])
        if window := kwargs.get("sliding_window"):
            seen = seen.triu(keys.shape[2] - query.shape[2] - window + 1)
        output, _ = sdpa_attention_forward(
            nn.Module(),
            query,
            keys.repeat_interleave(groups, 1),
            values.repeat_interleave(groups, 1),
            seen,
            scaling=scaling,
            is_causal=False,
        )
        return output.reshape(query.shape[2], -1), None


@torch.no_grad()
def test_attention_of_an_engine_is_called(directory, load, ids):
    engine = Engine()
    AttentionInterface.register("engine", engine)
    expected = load(directory, AutoModel)(input_ids=ids[:1]).last_hidden_state[0]
    if Path(directory).name in REFUSED:
        with pytest.raises(ValueError, match="engine"):
            load(directory, AutoModel, attn_implementation="engine")
        return
    model = load(directory, AutoModel, attn_implementation="engine")
    found = []
    for start, end in ((0, 5), (5, 9)):  # first the prompt, then what follows it
        output = model(
            input_ids=ids[:1, start:end],
            position_ids=torch.arange(start, end)[None],
            inputs_embeds=None,
            use_cache=False,
            attention_instances=(marker := object()),
            return_dict=False,
        )
        found.append(output[0][0])
        assert sorted(engine.calls) == list(range(model.config.num_hidden_layers))
        assert all(call["attention_instances"] is marker for call in engine.calls.values())
    torch.testing.assert_close(torch.cat(found), expected, **CLOSE)


def test_the_class_says_that_it_may_be_replaced(base):
    assert base._supports_attention_backend
    assert type(base).is_backend_compatible()


def test_auto_map_names_the_base_model(directory):
    config = json.loads(Path(directory, "config.json").read_text())
    if Path(directory).name != "reference":
        assert config["auto_map"].keys() >= {"AutoConfig", "AutoModel", "AutoModelForCausalLM"}
    assert len(config["architectures"]) == 1


def test_the_configuration_has_the_shapes(config, base):
    text = config.get_text_config()
    (embedding,) = [
        m
        for m in base.modules()
        if isinstance(m, nn.Embedding) and m.num_embeddings == text.vocab_size
    ]
    assert embedding is base.get_input_embeddings()
    assert embedding.embedding_dim == text.hidden_size
    assert text.num_hidden_layers == len(
        {m.layer_idx for m in base.modules() if hasattr(m, "layer_idx")}
    )
    heads = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    groups = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    widths = {
        m.out_features
        for n, m in base.named_modules()
        if isinstance(m, nn.Linear) and re.search(r"(k_proj|key_linear)$", n)
    }
    assert widths == {heads * groups}


def test_tensor_plan(base):
    """Each linear layer of the decoder is split by columns or by rows; the head is the owner's."""
    plan = base.tp_plan
    linear = {n: m for n, m in base.named_modules() if isinstance(m, nn.Linear)}
    used = {name: [p for p in plan if matches(p, name)] for name in linear}
    assert all(any(matches(p, name) for name, _ in base.named_modules()) for p in plan)
    assert all(len(patterns) <= 1 for patterns in used.values())
    styles = {name: plan[patterns[0]] for name, patterns in used.items() if patterns}
    assert set(styles.values()) == {"colwise", "rowwise"}
    assert len(styles) >= 2 * base.config.num_hidden_layers


def matches(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern.replace(".", r"\.").replace("*", r"\d+"), name) is not None


def test_pipeline_plan(directory, base):
    plan = base._pp_plan
    if Path(directory).name in UNDIVIDED:
        assert not plan
        return
    modules = {name: base.get_submodule(name) for name in plan}
    lists = [name for name, module in modules.items() if isinstance(module, nn.ModuleList)]
    assert len(lists) == 1
    assert len(modules[lists[0]]) == base.config.num_hidden_layers
    first = next(iter(modules.values()))
    assert base.get_input_embeddings() in first.modules()
    named = {id(p) for module in modules.values() for p in module.parameters()}
    assert named == {id(p) for p in base.parameters()}  # nothing is on every stage


def test_experts(directory, base):
    found = [m for m in base.modules() if hasattr(m, "experts")]
    assert bool(found) == (Path(directory).name == "moe")
    for block in found:
        packed = list(block.experts.parameters(recurse=False))
        assert isinstance(block.experts, nn.ModuleList) or all(p.ndim == 3 for p in packed)
        count = getattr(base.config, "num_local_experts", None) or base.config.num_experts
        assert len(block.experts) == count if isinstance(block.experts, nn.ModuleList) else True
        chosen, weights = torch.tensor([[0, 1]]), torch.tensor([[0.5, 0.5]])
        assert base.config.num_experts_per_tok == 2
        block.experts.to_empty(device="cpu")
        for parameter in block.experts.parameters():
            nn.init.ones_(parameter)
        row = torch.ones(1, base.config.hidden_size)
        assert block.experts(row, chosen, weights).shape == row.shape


def divided(rank: int, directory: str) -> None:
    tokens = torch.arange(3, 12)[None]
    with torch.no_grad():
        whole = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True)
        expected = whole(input_ids=tokens).logits
        model = AutoModelForCausalLM.from_pretrained(
            directory, trust_remote_code=True, tp_plan="auto"
        )
        found = model(input_ids=tokens).logits
    split = [name for name, p in model.named_parameters() if type(p).__name__ == "DTensor"]
    split += [
        name
        for name, parameter in model.named_parameters()
        if parameter.shape != whole.get_parameter(name).shape
    ]
    assert len(set(split)) >= 6 * model.config.num_hidden_layers, split
    torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("name", ["reference", "llama", "gpt2", "moe"])
def test_two_processes_share_it_by_the_tensor_plan(models, name):
    in_two_processes(divided, str(models / name))
