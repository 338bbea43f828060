"""A whole job: what it evaluates, saves, prints and returns."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import ModelCard
from tokenizers import Tokenizer, models, pre_tokenizers
from toys import Rows, losses

from forgather_hydra.train import JsonlCallback, TextSamples, TrainerCallback, run_training

WORDS = ["<unk>", "<s>", "</s>", *"abcdefghij"]


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def llama() -> transformers.LlamaForCausalLM:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, bos_token_id=1, eos_token_id=2, pad_token_id=None,
        )
    )  # fmt: skip


@pytest.fixture
def make_job(make_trainer):
    def make(**options):
        defaults = {
            "model_init": llama, "eval_dataset": Rows(8, seed=1), "max_steps": 6,
            "save_strategy": "steps", "save_steps": 3, "processing_class": tokenizer(),
            "callbacks": [JsonlCallback()], "eval_on_start": True,
        }  # fmt: skip
        return make_trainer(**defaults | options)

    return make


def lines(trainer) -> list[dict]:
    text = (Path(trainer.args.output_dir) / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_job_reports_where_it_began_and_where_it_ended(make_job, tmp_path, capsys) -> None:
    trainer = make_job()
    result = run_training(
        trainer, model_dir=tmp_path / "model", prompts=["a b"], unigram_entropy=lambda: 2.0
    )
    assert result["initial_eval_loss"] == pytest.approx(math.log(len(WORDS)), rel=0.05)
    assert result["eval_loss"] < result["initial_eval_loss"]
    assert result["eval_perplexity"] == pytest.approx(math.exp(result["eval_loss"]))
    assert result["final_train_loss"] == losses(trainer)[-1]
    assert result["unigram_entropy"] == 2.0
    assert result["parameters"] == sum(p.numel() for p in llama().parameters())
    *_, last_evaluation, final = lines(trainer)
    assert last_evaluation["eval_loss"] == result["eval_loss"]
    assert final["final"] is True
    assert final["eval_loss"] == result["eval_loss"]
    output = capsys.readouterr().out
    for part in ("evaluation loss", "unigram entropy", "> a b", str(tmp_path / "model")):
        assert part in output.replace("\n", "")


def test_the_saved_model_loads_again(make_job, tmp_path) -> None:
    trainer = make_job()
    result = run_training(trainer, model_dir=tmp_path / "model", license="mit")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer("a b").input_ids == [3, 4]
    longest = model.config.max_position_embeddings
    assert len(tokenizer("a b " * 2 * longest, truncation=True).input_ids) == longest
    assert len({path.stat().st_mode for path in (tmp_path / "model").iterdir()}) == 1
    card = ModelCard.load(tmp_path / "model/README.md")
    assert card.data.license == "mit"
    assert {r.metric_type: r.metric_value for r in card.data.eval_results} == {
        "eval_loss": result["eval_loss"], "eval_perplexity": result["eval_perplexity"]
    }  # fmt: skip
    ids = trainer.eval_dataset.ids
    assert model(ids, labels=ids).loss.item() == pytest.approx(result["eval_loss"], rel=1e-5)


class Fail(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt


def test_a_resumed_job_remembers_its_first_evaluation(make_job) -> None:
    whole = run_training(make_job())
    with pytest.raises(KeyboardInterrupt):
        run_training(make_job(callbacks=[JsonlCallback(), Fail()]))
    trainer = make_job()
    resumed = run_training(trainer, resume=True)
    assert resumed["initial_eval_loss"] == whole["initial_eval_loss"]
    assert resumed["eval_loss"] == whole["eval_loss"]
    assert [record["step"] for record in lines(trainer) if "eval_loss" in record] == [0, 6, 6]


def test_no_steps_evaluate_and_train_nothing(make_job, tmp_path) -> None:
    trainer = make_job(max_steps=0, num_train_epochs=1)
    before = {name: p.clone() for name, p in llama_of_seed(trainer).named_parameters()}
    result = run_training(trainer, model_dir=tmp_path / "model")
    assert result["global_step"] == 0
    assert result["eval_loss"] == result["initial_eval_loss"] == lines(trainer)[0]["eval_loss"]
    assert all(torch.equal(p, before[name]) for name, p in trainer.model.named_parameters())
    assert not losses(trainer)
    assert not (tmp_path / "model").exists()
    assert not list(trainer.args.checkpoint_dir.glob("*"))


def llama_of_seed(trainer) -> transformers.LlamaForCausalLM:
    torch.manual_seed(trainer.args.seed)
    return llama()


def test_a_job_without_evaluation_set(make_job) -> None:
    result = run_training(make_job(eval_dataset=None))
    assert "eval_loss" not in result
    assert result["final_train_loss"] > 0


def test_samples_leave_training_and_the_random_numbers_alone(make_job, capsys) -> None:
    options = {"eval_strategy": "steps", "eval_steps": 2, "eval_on_start": False}
    samples = TextSamples(["a b", "c"], max_new_tokens=5)
    plain, sampling = make_job(**options, callbacks=[]), make_job(**options, callbacks=[samples])
    plain.train()
    expected = (random.random(), np.random.rand(), torch.rand(1).item())
    sampling.train()
    assert losses(sampling) == losses(plain)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected
    assert [sample["step"] for sample in samples.samples] == [2, 2, 4, 4, 6, 6]
    assert samples.samples[0]["prompt"] == "a b"
    assert samples.samples[0]["text"]
    assert "> a b" in capsys.readouterr().out
    assert sampling.model.training


def test_a_model_that_cannot_write_is_told_and_ends_its_run(make_trainer, caplog) -> None:
    samples = TextSamples(["a b"])
    evaluated = {"eval_dataset": Rows(4), "eval_strategy": "steps", "eval_steps": 1}
    trainer = make_trainer(callbacks=[JsonlCallback(), samples], max_steps=2, **evaluated)
    assert run_training(trainer, prompts=["a b"])["global_step"] == 2
    assert lines(trainer)[-1]["final"]
    assert samples.samples == []
    assert caplog.text.count("no text samples: ToyModel has no method generate") == 1


class Forgetful(transformers.LlamaForCausalLM):
    """Never looks at the cache that it is given."""

    def forward(self, input_ids=None, labels=None, past_key_values=None, cache=None, **kwargs):
        return super().forward(input_ids, labels=labels, **kwargs | {"use_cache": False})


@pytest.mark.parametrize("kind", [transformers.LlamaForCausalLM, Forgetful])
def test_a_model_that_generates_otherwise_with_a_cache_is_told(make_trainer, caplog, kind) -> None:
    model = kind(llama().config)
    run_training(
        make_trainer(model=model, processing_class=tokenizer(), max_steps=1),
        prompts=["a b c"],
        max_new_tokens=2,
    )
    warnings = [r.message for r in caplog.records if "with a cache" in r.message]
    assert bool(warnings) == (kind is Forgetful)
