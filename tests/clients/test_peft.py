"""peft: adapters on the layers that the documentation names, saved, loaded and merged."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from packaging import version
from peft import (
    AutoPeftModelForCausalLM,
    IA3Config,
    LoraConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptTuningConfig,
    TaskType,
    get_peft_model,
)
from transformers import AutoModelForSequenceClassification

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
ATTENTION = ["query_linear", "key_linear", "value_linear", "output_linear"]
THEIRS = ["q_proj", "k_proj", "v_proj", "o_proj"]


def attention_names(directory: str) -> list[str]:
    return THEIRS if Path(directory).name == "reference" else ATTENTION


def is_named(name: str, targets: list[str]) -> bool:
    return name.rsplit(".", 1)[-1] in targets


def train(model, ids, steps=3):
    """Take steps; the loss before and after."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(steps):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("targets", ["all-linear", "attention"])
def test_lora_trains_saves_loads_and_merges(directory, load, ids, tmp_path, targets):
    base = load(directory)
    with torch.no_grad():
        before = base(input_ids=ids).logits
    names = attention_names(directory) if targets == "attention" else targets
    config = LoraConfig(task_type=TaskType.CAUSAL_LM, r=4, target_modules=names)
    model = get_peft_model(base, config)
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=ids).logits, before, **CLOSE)
    adapted = {n.split(".lora_A")[0] for n, _ in model.named_parameters() if ".lora_A" in n}
    layers = base.config.num_hidden_layers
    if targets == "attention":
        assert len([n for n in adapted if is_named(n, names)]) == len(adapted) == 4 * layers
    else:
        assert len(adapted) >= 6 * layers
        assert not any("lm_head" in n or "output_decoder" in n for n in adapted)
    losses = train(model, ids)
    assert losses[-1] < losses[0]
    model.eval()
    with torch.no_grad():
        after = model(input_ids=ids).logits
        with model.disable_adapter():
            torch.testing.assert_close(model(input_ids=ids).logits, before, **CLOSE)
    model.save_pretrained(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(load(directory), tmp_path / "adapter")
    merged = loaded.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    with torch.no_grad():
        torch.testing.assert_close(merged(input_ids=ids).logits, after, **CLOSE)
        again = load(tmp_path / "merged")(input_ids=ids).logits
    torch.testing.assert_close(again, after, **CLOSE)


def test_an_adapter_finds_its_model(one_of_few, load, ids, tmp_path):
    config = LoraConfig(task_type=TaskType.CAUSAL_LM, target_modules="all-linear")
    model = get_peft_model(load(one_of_few), config)
    train(model, ids, steps=1)
    model.eval().save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"]
    found = AutoPeftModelForCausalLM.from_pretrained(tmp_path, trust_remote_code=True).eval()
    settings = {"do_sample": False, "max_new_tokens": 6, "attention_mask": torch.ones_like(ids)}
    assert torch.equal(
        found.generate(input_ids=ids, **settings), model.generate(input_ids=ids, **settings)
    )


def test_a_head_for_classes_beside_lora(one_of_few, load, ids):
    model = load(one_of_few, AutoModelForSequenceClassification, num_labels=3)
    config = LoraConfig(task_type=TaskType.SEQ_CLS, target_modules="all-linear")
    adapted = get_peft_model(model, config)
    assert adapted(input_ids=ids).logits.shape == (2, 3)
    trained = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert any("score.modules_to_save" in name for name in trained)


@pytest.mark.parametrize("kind", [PromptTuningConfig, PrefixTuningConfig])
def test_virtual_tokens(one_of_few, load, ids, kind):
    config = kind(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=4)
    model = get_peft_model(load(one_of_few), config)
    losses = train(model, ids, steps=4)
    assert losses[-1] < losses[0]
    model.eval()
    if kind is PrefixTuningConfig and version.parse(transformers.__version__).minor >= 24:
        return  # peft 0.21.2 names its prefix past_key_values, beside the cache of generate
    settings = {"do_sample": False, "max_new_tokens": 6, "eos_token_id": None}
    written = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)
    assert written.shape == (2, 15)


def test_ia3(one_of_few, load, ids):
    names = attention_names(one_of_few)[1:3]
    config = IA3Config(task_type=TaskType.CAUSAL_LM, target_modules=names, feedforward_modules=[])
    losses = train(get_peft_model(load(one_of_few), config), ids, steps=4)
    assert losses[-1] < losses[0]


def test_new_words_beside_lora(one_of_few, load, ids):
    base = load(one_of_few)
    words = base.get_input_embeddings()
    (name,) = [n.rsplit(".", 1)[-1] for n, m in base.named_modules() if m is words]
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        target_modules="all-linear",
        trainable_token_indices={name: [5]},
    )
    model = get_peft_model(base, config)
    losses = train(model, torch.cat([ids, torch.full((2, 1), 5)], 1))
    assert losses[-1] < losses[0]
