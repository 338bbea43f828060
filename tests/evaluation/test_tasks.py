"""Tasks of lm-eval from files: after training and during it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from word_models import ROWS, TASK, WORDS, word_model, word_tokenizer

from forgather_hydra.cli.forgather import main
from forgather_hydra.errors import ForgatherError
from forgather_hydra.evaluation import TaskEvaluation, evaluate_tasks
from forgather_hydra.evaluation.tasks import _metrics
from forgather_hydra.train import JsonlCallback, Trainer, TrainingArguments


@pytest.fixture(autouse=True)
def caches(tmp_path_factory, monkeypatch) -> None:
    import datasets

    folder = tmp_path_factory.mktemp("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)


@torch.no_grad()
def accuracy(model) -> float:
    """How often the right letter is the likelier one."""
    tokenizer = word_tokenizer()
    hits = 0
    for row in ROWS:
        scores = model(torch.tensor([tokenizer(row["question"]).input_ids])).logits[0, -1]
        first, second = (scores[tokenizer(row[key]).input_ids[0]] for key in ("first", "second"))
        hits += (second > first) == bool(row["right"])
    return hits / len(ROWS)


def test_the_command_keeps_what_the_harness_finds(copied, task, capsys) -> None:
    main(["eval", str(copied), "--tasks", str(task), "--device", "cpu"])
    kept = json.loads((copied / "eval.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(copied / "model")
    assert kept["letters"]["metrics"] == {"acc": accuracy(model)}
    assert "letters\n  acc" in capsys.readouterr().out


def test_a_file_that_is_no_task_is_told(words, tmp_path) -> None:
    (tmp_path / "no_task.yaml").write_text("dataset_path: json\n")
    model = AutoModelForCausalLM.from_pretrained(words)
    with pytest.raises(ForgatherError, match=r"no_task\.yaml: what is asked cannot be loaded"):
        evaluate_tasks(
            model, AutoTokenizer.from_pretrained(words), [str(tmp_path / "no_task.yaml")]
        )


def test_data_of_a_hub_that_cannot_be_reached_are_told(words, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "far.yaml").write_text(TASK.replace("json", "me/letters").format(data="test.jsonl"))
    model = AutoModelForCausalLM.from_pretrained(words)
    with pytest.raises(ForgatherError, match=r"far\.yaml: .* reach 'me/letters'") as told:
        evaluate_tasks(model, AutoTokenizer.from_pretrained(words), [str(tmp_path / "far.yaml")])
    assert "where there is network" in told.value.hint


@torch.no_grad()
def test_answers_of_a_model_in_bfloat16_are_told_apart(tmp_path) -> None:
    model, tokenizer = word_model().bfloat16(), word_tokenizer()

    def likelihood(answer: list[str]) -> float:
        ids = tokenizer(" ".join(["a", *answer])).input_ids
        scores = model(torch.tensor([ids])).logits[0, :-1].float().log_softmax(-1)
        return scores[range(len(answer)), ids[1:]].sum().item()

    draw = random.Random(0)
    pairs = [[draw.choices(WORDS[1:], k=30) for _ in range(2)] for _ in range(20)]
    pairs = [[" ".join(answer) for answer in sorted(pair, key=likelihood)] for pair in pairs]
    lines = [{"question": "a", "first": a, "second": b, "right": 1} for a, b in pairs]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "long.yaml").write_text(TASK.format(data=tmp_path / "rows.jsonl"))
    found = evaluate_tasks(model, tokenizer, [str(tmp_path / "long.yaml")])
    assert found["letters"]["acc"] == 1


def rows(count: int) -> list[dict[str, torch.Tensor]]:
    return [{"input_ids": torch.arange(8).roll(-i) + 1} for i in range(count)]


def trained(folder: Path, *callbacks) -> Trainer:
    args = TrainingArguments(
        output_dir=str(folder), max_steps=5, learning_rate=0.01, logging_steps=1, use_cpu=True,
        save_strategy="no", per_device_train_batch_size=4,
    )  # fmt: skip
    trainer = Trainer(
        args, model_init=word_model, train_dataset=rows(40), processing_class=word_tokenizer(),
        callbacks=[JsonlCallback(), *callbacks],
    )  # fmt: skip
    trainer.train()
    return trainer


def test_training_logs_tasks_every_so_many_steps_and_is_not_disturbed(task, tmp_path) -> None:
    plain = trained(tmp_path / "plain")
    drawn = torch.rand(3)
    trainer = trained(tmp_path / "tasks", TaskEvaluation([str(task)], every=2, limit=4))
    assert torch.equal(torch.rand(3), drawn)
    history = trainer.state.log_history
    assert [record["step"] for record in history if "letters/acc" in record] == [2, 4, 5]
    assert history[-1]["letters/acc"] == accuracy(trainer.model.eval())
    assert [r["loss"] for r in history] == [r["loss"] for r in plain.state.log_history]
    lines = (tmp_path / "tasks/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line).get("letters/acc") is not None for line in lines].count(True) == 3
    kept = json.loads((tmp_path / "tasks/eval.json").read_text())["letters"]
    assert (kept["step"], kept["limit"]) == (5, 4)
    assert kept["metrics"]["acc"] == history[-1]["letters/acc"]


@pytest.mark.parametrize(("tasks", "every"), [([], 2), ("letters", 2), (["letters"], 0)])
def test_a_callback_that_could_do_nothing_is_refused(tasks, every) -> None:
    with pytest.raises(ValueError, match="give"):
        TaskEvaluation(tasks, every)


def test_metrics_of_other_filters_have_their_names() -> None:
    found = {"alias": "a", "exact_match,none": 1.0, "exact_match,strict": 0.5, "n,none": "N/A"}
    assert _metrics(found) == {"exact_match": 1.0, "exact_match (strict)": 0.5}


@pytest.mark.parametrize("is_training", [True, False])
def test_a_model_is_left_in_its_mode(words, task, is_training) -> None:
    model = AutoModelForCausalLM.from_pretrained(words).train(is_training)
    evaluate_tasks(model, AutoTokenizer.from_pretrained(words), [str(task)], limit=1)
    assert model.training is is_training
