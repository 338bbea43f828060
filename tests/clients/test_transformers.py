"""transformers: calls, auto classes, pipelines and its Trainer."""

import pytest
import torch
from torch.nn import functional as F
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    pipeline,
)

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def test_the_package_is_absent():
    for name in ("forgather_hydra", "hydra_plugins"):
        with pytest.raises(ImportError):
            __import__(name)


@torch.no_grad()
def test_a_call_returns_an_output(directory, load, ids):
    model = load(directory)
    output = model(input_ids=ids, labels=ids)
    logits = output.logits
    expected = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(output.loss, expected, **CLOSE)
    assert output.past_key_values.get_seq_length() == ids.shape[1]
    assert model(input_ids=ids, use_cache=False).past_key_values is None
    as_tuple = model(input_ids=ids, return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert torch.equal(as_tuple[0], logits)
    assert torch.equal(model(input_ids=ids, logits_to_keep=2).logits, logits[:, -2:])


@torch.no_grad()
def test_hidden_states_and_attentions(directory, load, ids):
    model = load(directory, attn_implementation="eager")
    output = model(input_ids=ids, output_hidden_states=True, output_attentions=True)
    layers = model.config.num_hidden_layers
    assert len(output.hidden_states) == layers + 1
    torch.testing.assert_close(
        model.get_output_embeddings()(output.hidden_states[-1]), output.logits, **CLOSE
    )
    assert len(output.attentions) == layers
    for weights in output.attentions:
        assert weights.shape[0] == 2
        assert weights.shape[-2:] == (9, 9)
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        assert not weights.triu(1).any()
    model.config.output_hidden_states = True
    assert len(model(input_ids=ids).hidden_states) == layers + 1


@torch.no_grad()
def test_a_base_model_and_a_head(directory, load, ids):
    whole, base = load(directory), load(directory, AutoModel)
    hidden = base(input_ids=ids).last_hidden_state
    assert hidden.shape == (2, 9, base.config.hidden_size)
    logits = whole(input_ids=ids).logits
    torch.testing.assert_close(whole.get_output_embeddings()(hidden), logits, **CLOSE)
    for inner in (whole.base_model, whole.get_decoder(), getattr(whole, whole.base_model_prefix)):
        assert inner is not whole
        torch.testing.assert_close(inner(input_ids=ids).last_hidden_state, hidden, **CLOSE)
    embedded = base.get_input_embeddings()(ids)
    torch.testing.assert_close(base(inputs_embeds=embedded).last_hidden_state, hidden, **CLOSE)
    names = {name for name, _ in whole.base_model.named_parameters()}
    assert names == {name for name, _ in base.named_parameters()}


@pytest.mark.parametrize(
    ("auto", "shape"),
    [(AutoModelForSequenceClassification, (2, 3)), (AutoModelForTokenClassification, (2, 9, 3))],
)
def test_heads_for_classes(directory, load, ids, tmp_path, auto, shape):
    model = load(directory, auto, num_labels=3)
    base = load(directory, AutoModel)
    loaded = dict(model.base_model.named_parameters())
    assert all(torch.equal(loaded[name], value) for name, value in base.named_parameters())
    labels = torch.ones(shape[:-1], dtype=torch.long)
    output = model(input_ids=ids, labels=labels)
    assert output.logits.shape == shape
    output.loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    model.save_pretrained(tmp_path)
    again = load(tmp_path, auto)(input_ids=ids, labels=labels)
    torch.testing.assert_close(again.logits, output.logits, **CLOSE)


@torch.no_grad()
def test_padding_changes_no_class(directory, load, ids):
    model = load(directory, AutoModelForSequenceClassification, num_labels=3)
    padded = F.pad(ids, (0, 4), value=model.config.pad_token_id)
    mask = F.pad(torch.ones_like(ids), (0, 4))
    expected = model(input_ids=ids).logits
    torch.testing.assert_close(
        model(input_ids=padded, attention_mask=mask).logits, expected, **CLOSE
    )


def test_tokenizer_needs_no_code_and_knows_the_length(directory):
    words = AutoTokenizer.from_pretrained(directory)
    assert words.model_max_length == 128
    assert len(words("the fox " * 200, truncation=True).input_ids) == 128


def test_text_generation_pipeline(directory):
    write = pipeline("text-generation", directory, trust_remote_code=True, device="cpu")
    settings = {"do_sample": False, "max_new_tokens": 4}
    (text,) = write("the fox", **settings)
    assert text["generated_text"].startswith("the fox")
    both = write(["the fox", "One day it rained"], batch_size=2, **settings)
    assert both[0][0] == text  # padding at the left changes nothing
    (answer,) = write([{"role": "user", "content": "Who?"}], **settings)
    assert answer["generated_text"][-1]["role"] == "assistant"


def test_feature_extraction_pipeline(directory, load):
    words = AutoTokenizer.from_pretrained(directory)
    rows = pipeline(
        "feature-extraction", model=directory, tokenizer=words, trust_remote_code=True, device="cpu"
    )("the fox sat")
    with torch.no_grad():
        expected = load(directory, AutoModel)(**words("the fox sat", return_tensors="pt"))
    torch.testing.assert_close(torch.tensor(rows), expected.last_hidden_state, **CLOSE)


def test_text_classification_pipeline(one_of_few, load, tmp_path):
    model = load(one_of_few, AutoModelForSequenceClassification, num_labels=3)
    model.save_pretrained(tmp_path)
    words = AutoTokenizer.from_pretrained(one_of_few)
    classify = pipeline(
        "text-classification",
        model=str(tmp_path),
        tokenizer=words,
        trust_remote_code=True,
        device="cpu",
    )
    texts = ["the fox", "One day it rained"]
    together = classify(texts, batch_size=2, top_k=None)
    for text, scores in zip(texts, together, strict=True):
        alone = {each["label"]: each["score"] for each in classify(text, top_k=None)}
        assert {each["label"]: each["score"] for each in scores} == pytest.approx(alone, rel=1e-3)
        assert len(alone) == 3


def arguments(folder, **kwargs) -> TrainingArguments:
    return TrainingArguments(
        folder, report_to=[], use_cpu=True, disable_tqdm=True, save_strategy="no", **kwargs
    )


def examples(tokenizer, count=8):
    text = tokenizer("One day it rained so hard that the river rose.").input_ids[:12]
    return [{"input_ids": text, "labels": text} for _ in range(count)]


def test_trainer_learns_and_saves(one_of_few, load, tokenizer, tmp_path):
    trainer = Trainer(
        load(one_of_few),
        arguments(
            tmp_path,
            max_steps=6,
            learning_rate=1e-2,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            gradient_checkpointing=True,
            logging_steps=1,
        ),
        train_dataset=examples(tokenizer, 24),
        eval_dataset=examples(tokenizer),
        processing_class=tokenizer,
    )
    before = trainer.evaluate()["eval_loss"]
    tokens = torch.tensor([examples(tokenizer)[0]["input_ids"]]).to(trainer.model.device)
    with torch.no_grad():
        own = trainer.model.eval()(input_ids=tokens, labels=tokens).loss
    assert before == pytest.approx(float(own), rel=1e-3)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    # Nothing is counted twice; a mixture of experts adds its balance.
    assert losses[0] == pytest.approx(before, rel=1e-2 if "moe" in one_of_few else 1e-3)
    assert trainer.evaluate()["eval_loss"] < before
    trainer.save_model(tmp_path / "saved")
    saved = load(tmp_path / "saved").state_dict()
    assert all(torch.equal(saved[k], v) for k, v in trainer.model.state_dict().items())


def test_trainer_smooths_labels(one_of_few, load, tokenizer, tmp_path):
    model, data = load(one_of_few), examples(tokenizer)
    smooth = arguments(tmp_path, label_smoothing_factor=0.1, max_steps=1)
    trainer = Trainer(model, smooth, train_dataset=data, eval_dataset=data)
    found = trainer.evaluate()["eval_loss"]
    tokens = torch.tensor([data[0]["input_ids"]])
    with torch.no_grad():
        logp = model(input_ids=tokens).logits[:, :-1].log_softmax(-1)
    right = -logp.gather(-1, tokens[:, 1:, None]).mean()
    assert found == pytest.approx(float(0.9 * right - 0.1 * logp.mean()), rel=1e-3)
    trainer.train()
