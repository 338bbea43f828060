"""What a generated model returns, and the switches of its forward pass."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from forgather_hydra.train.parallel.device import enable_gradient_checkpointing


def test_result_depends_on_the_request(build, random_ids):
    model, ids = build(), random_ids(2, 5)
    logits = model(input_ids=ids).logits
    assert logits.shape == (2, 5, 96)
    assert torch.equal(model(ids, labels=ids).logits, logits)


def test_loss_ignores_masked_labels_and_divides_as_told(build, random_ids):
    model, ids = build(), random_ids(2, 6)
    labels = ids.clone()
    labels[0, 2:5] = -100
    output = model(ids, labels=labels)
    loss, logits = output.loss, output.logits
    keep = labels[:, 1:] != -100
    expected = cross_entropy(logits[:, :-1][keep], ids[:, 1:][keep])
    torch.testing.assert_close(loss, expected)
    total = model(ids, labels=labels, num_items_in_batch=torch.tensor(28)).loss
    torch.testing.assert_close(total, expected * keep.sum() / 28)


def test_only_the_wanted_logits_are_computed(build, random_ids):
    model, ids = build(), random_ids(2, 6)
    full = model(ids).logits
    torch.testing.assert_close(model(ids, logits_to_keep=2).logits, full[:, -2:])
    some = model(ids, logits_to_keep=torch.tensor([1, 4])).logits
    torch.testing.assert_close(some, full[:, [1, 4]])


def test_embeddings_take_the_place_of_ids(build, random_ids):
    model, ids = build(), random_ids(2, 6)
    embeddings = model.get_input_embeddings()(ids)
    assert torch.equal(model(inputs_embeds=embeddings).logits, model(ids).logits)


def test_checkpointing_keeps_the_gradients_and_recomputes(build, random_ids):
    model, ids = build().train(), random_ids(2, 6)
    calls = []
    model.causal_lm.layer_stack.layers[1].register_forward_pre_hook(lambda *_: calls.append(1))

    def gradients():
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        return [p.grad.clone() for p in model.parameters()]

    expected = gradients()
    enable_gradient_checkpointing(model)
    calls.clear()
    assert all(torch.equal(a, b) for a, b in zip(expected, gradients(), strict=True))
    assert len(calls) == 2


def test_checkpointing_writes_a_cache_once(build, random_ids):
    model, ids = build().train(), random_ids(2, 6)
    enable_gradient_checkpointing(model)
    output = model(ids, labels=ids, use_cache=True)
    output.loss.backward()
    assert output.past_key_values.get_seq_length() == 6
    assert output.past_key_values.layers[0].keys.shape[-2] == 6


def test_stages_cut_from_one_model_compute_what_it_computes(build, random_ids, tmp_path):
    model, ids = build(), random_ids(2, 6)
    expected = model(ids).logits
    names = set(model.state_dict())
    first, last = build(), build()
    for stage in (first, last):
        stage.load_state_dict(model.state_dict())
    core = first.causal_lm
    del core.layer_stack.layers[1]
    core.layer_stack.layer_norm = first.lm_head = None
    core = last.causal_lm
    del core.layer_stack.layers["0"]
    core.input_encoder = None
    hidden = first.base_model(ids).last_hidden_state
    assert torch.equal(last(inputs_embeds=hidden).logits, expected)
    assert set(first.state_dict()) | set(last.state_dict()) == names


@pytest.mark.parametrize("training", [False, True])
def test_compiles_as_one_graph(build, random_ids, training):
    model, ids = build().train(training), random_ids(2, 6)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    positions = torch.arange(6).expand(2, -1)
    for kwargs in ({"labels": ids}, {"position_ids": positions}):
        torch.testing.assert_close(compiled(ids, **kwargs).logits, model(ids, **kwargs).logits)
