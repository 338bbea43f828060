"""A model whose loss is computed from hidden states: same training, logits only when wanted."""

from functools import partial

import pytest
import torch
from closeness import assert_close
from transformers import Trainer, TrainingArguments

import forgather_hydra as fg
from forgather_hydra.model import build_model, modeling_code
from forgather_hydra.model.adapters import lora, with_adapter
from forgather_hydra.train.model_call import ModelCall


@pytest.fixture(scope="module")
def fused_code(llama_text):
    text = llama_text.replace(
        ".causal_loss:CausalLoss@loss_fn []",
        ".linear_causal_loss:LinearCausalLoss@loss_fn { chunk_size: 5 }",
    )
    graph = fg.ConfigEnvironment().parse(text).config
    return modeling_code(graph.model_factory, short_name="small_llama", source="llama.yaml")


@pytest.fixture
def fused(fused_code, config, tmp_path):
    def fused(**changes):
        return build_model(fused_code, config | changes, tmp_path / "fused")

    return fused


@pytest.mark.parametrize("tied", [False, True])
def test_same_gradients_as_the_plain_loss(build, fused, random_ids, tied):
    ids = random_ids(2, 12)
    labels = ids.clone()
    labels[0, 4:] = -100
    plain, model = build(tie_word_embeddings=tied), fused(tie_word_embeddings=tied)
    model.load_state_dict(plain.state_dict())
    expected = plain.train()(ids, labels=labels).loss
    output = model.train()(ids, labels=labels)
    loss = output.loss
    assert output.logits is None
    assert_close(loss, expected)
    (loss.backward(), expected.backward())
    for (name, p), q in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert_close(p.grad, q.grad, what=name)


def test_logits_when_wanted(fused, random_ids):
    model, ids = fused().train(), random_ids(2, 6)
    logits = model(ids).logits
    assert model(ids, labels=ids).logits is None
    assert torch.equal(model(ids, labels=ids, skip_logits=False).logits, logits)
    model.eval()
    assert torch.equal(model(ids, labels=ids).logits, logits)
    assert model(ids, labels=ids, skip_logits=True).logits is None


@pytest.mark.parametrize("is_fused", [False, True])
def test_only_targets_are_computed_where_they_are_few(build, fused, random_ids, is_fused):
    ids, seen = random_ids(2, 12), []
    labels = torch.where(torch.arange(12) % 3 == 0, ids, -100)
    plain, model = build(), (fused if is_fused else build)()
    model.load_state_dict(plain.state_dict())
    if not is_fused:  # which calls no module
        model.lm_head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[:-1]))
    expected = plain.train()(ids, labels=labels).loss
    output = model.train()(ids, labels=labels, skip_logits=True)
    assert output.logits is None
    assert seen == ([] if is_fused else [(1, 2 * 3 + 1)])  # tokens 3, 6 and 9, and one for none
    assert_close(output.loss, expected)
    (output.loss.backward(), expected.backward())
    for (name, p), q in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert_close(p.grad, q.grad, what=name)


def test_the_trainer_asks_a_model_below_an_adapter_for_targets_alone(build):
    assert ModelCall(with_adapter(build(), lora)).takes("skip_logits")


@pytest.mark.parametrize(
    ("tied", "tokens", "targets"),
    [(False, [3, 4], "all-linear"), (True, [3, 4], "all-linear"), (False, [], ["lm_head"])],
)
def test_what_an_adapter_adds_to_the_head_is_in_the_loss(
    build, fused, random_ids, tied, tokens, targets
):
    ids, losses = random_ids(2, 9), []
    for make in build, fused:
        torch.manual_seed(5)
        model = make(tie_word_embeddings=tied)
        model.new_token_ids = tokens
        options = {"target_modules": targets, "init_lora_weights": False}
        adapted = with_adapter(model, partial(lora, **options))
        assert adapted.get_output_embeddings().bias is None
        for name, weight in adapted.named_parameters():
            if "trainable_tokens" in name:
                weight.data = torch.linspace(-2, 2, weight.numel()).view_as(weight)
        losses.append(adapted(input_ids=ids, labels=ids, skip_logits=True).loss)
    assert_close(*losses)


def test_rows_without_any_target_have_no_loss(build, random_ids):
    ids = random_ids(2, 6)
    labels = torch.full_like(ids, -100)
    loss = build()(ids, labels=labels, skip_logits=True, num_items_in_batch=1).loss
    assert loss == 0


def test_trains_and_evaluates_in_the_trainer_of_transformers(fused, random_ids, tmp_path):
    rows = [{"input_ids": row, "labels": row} for row in random_ids(8, 10)]
    arguments = TrainingArguments(
        tmp_path / "run", max_steps=3, per_device_train_batch_size=2, use_cpu=True,
        gradient_accumulation_steps=2, report_to=[], disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    trainer = Trainer(fused(), arguments, train_dataset=rows, eval_dataset=rows)
    assert trainer.train().training_loss < 10
    assert trainer.predict(rows).predictions.shape == (8, 10, 96)
