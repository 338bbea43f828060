"""What engines that serve models of transformers look for in one, and its Trainer.

All that they publish is tried, without this package, by tests/clients/test_engines.py.
"""

import pytest
import torch
from closeness import assert_close
from torch import nn
from transformers import AttentionInterface, Trainer, TrainingArguments


def rows_of_tokens(module, query, key, value, attention_mask, scaling=None, **kwargs):
    """Attention to all tokens before, as an engine answers: (tokens, heads times head size)."""
    groups = query.shape[1] // key.shape[1]
    keys, values = (each.repeat_interleave(groups, 1) for each in (key, value))
    answer = nn.functional.scaled_dot_product_attention(
        query, keys, values, is_causal=True, scale=scaling
    )
    return answer.transpose(1, 2).flatten(2)[0], None


AttentionInterface.register("rows_of_tokens", rows_of_tokens)


@torch.no_grad()
def test_an_engine_answers_in_rows(build, random_ids):
    model, ids = build(attn_implementation="sdpa"), random_ids(1, 7)
    expected = model(ids).logits
    model.set_attn_implementation("rows_of_tokens")
    assert_close(model(ids, use_cache=False, instances=None).logits, expected)


def test_layers_are_a_list_of_which_what_remains_keeps_its_name(build):
    layers = build(num_hidden_layers=3).base_model.causal_lm.layer_stack.layers
    assert isinstance(layers, nn.ModuleList)
    last = layers[2]
    del layers["0"], layers[1]
    assert [name for name, _ in layers.named_children()] == ["2"]
    assert layers[2] is layers["2"] is last
    assert list(layers) == [last]


def test_a_plan_of_stages_names_what_one_stage_has(build):
    base = build().base_model
    names = [name.rsplit(".", 1)[-1] for name in base._pp_plan]
    assert names == ["embedding", "layers", "layer_norm"]
    parts = [p for name in base._pp_plan for p in base.get_submodule(name).parameters()]
    assert {id(p) for p in parts} == {id(p) for p in base.parameters()}


def test_trainer_smooths_labels_of_the_next_token(build, random_ids, tmp_path):
    model, ids = build(), random_ids(4, 9)
    data = [{"input_ids": row, "labels": row} for row in ids]
    settings = {"report_to": [], "use_cpu": True, "label_smoothing_factor": 0.1}
    trainer = Trainer(model, TrainingArguments(tmp_path / "t", **settings), eval_dataset=data)
    found = trainer.evaluate()["eval_loss"]
    with torch.no_grad():
        logp = model(ids).logits[:, :-1].log_softmax(-1)
    right = -logp.gather(-1, ids[:, 1:, None]).mean()
    assert found == pytest.approx(float(0.9 * right - 0.1 * logp.mean()), rel=1e-3)


@torch.no_grad()
def test_documents_are_told_by_positions_with_or_without_their_numbers(build, random_ids):
    model, ids = build(), random_ids(1, 7)
    positions = torch.tensor([[0, 1, 2, 0, 1, 2, 3]])
    numbers = torch.tensor([[0, 0, 0, 1, 1, 1, 1]])
    packed = model(ids, position_ids=positions, seq_idx=numbers).logits
    assert_close(packed[:, 3:], model(ids[:, 3:]).logits)
