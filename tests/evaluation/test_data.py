"""Loss, perplexity and bits per byte against sums by hand, and the command."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from forgather_hydra.cli.forgather import main
from forgather_hydra.evaluation.data import evaluate_data
from forgather_hydra.report.results import JobResult, save
from forgather_hydra.rundir.states import State
from forgather_hydra.train import CausalCollator

ROWS = [[1, 2, 3, 0, 4], [5, 6], [7, 8, 9]]


@torch.no_grad()
def by_hand(model, rows, labels) -> tuple[float, int]:
    """The sum over all targets in nats, and their number."""
    total, count = 0.0, 0
    for row, own in zip(rows, labels, strict=True):
        scores = model(torch.tensor([row])).logits[0].log_softmax(-1)
        for place, target in enumerate(own[1:]):
            if target != -100:
                total, count = total - float(scores[place, target]), count + 1
    return total, count


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_sums_over_all_targets(words, masked, batch_size) -> None:
    model = AutoModelForCausalLM.from_pretrained(words)
    tokenizer = AutoTokenizer.from_pretrained(words)
    labels = [[-100, -100, *row[2:]] if masked else row for row in ROWS]
    data = [{"input_ids": row, "labels": own} for row, own in zip(ROWS, labels, strict=True)]
    found = evaluate_data(
        model, tokenizer, data, CausalCollator(), batch_size=batch_size, device="cpu"
    )
    total, count = by_hand(model, ROWS, labels)
    size = sum(2 for own in labels for target in own[1:] if target > 0)  # a letter and a space
    assert found["tokens"] == count
    assert found["bytes"] == size
    assert found["loss"] == pytest.approx(total / count, rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-5)
    assert found["bits_per_byte"] == pytest.approx(total / math.log(2) / size, rel=1e-5)


def test_a_limit_takes_the_first_samples_of_a_list_and_of_a_stream(words) -> None:
    model = AutoModelForCausalLM.from_pretrained(words)
    tokenizer = AutoTokenizer.from_pretrained(words)
    rows = [{"input_ids": torch.tensor(row)} for row in ([1, 2, 3], [4, 5, 6], [7, 8, 9])]
    options = {"limit": 2, "device": "cpu"}
    found = evaluate_data(model, tokenizer, rows, **options)
    assert found["tokens"] == 4
    assert evaluate_data(model, tokenizer, iter(rows), **options) == found


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "lines.jsonl").write_text(
        "".join(json.dumps({"text": "a b c d e f g h i j " * 4}) + "\n" for _ in range(20))
    )
    return folder


def test_a_model_on_any_data_by_its_own_tokenizer(copied, texts, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(texts.parent / "cache"))
    words = [
        "data=folder",
        f"data.path={texts}",
        "data.block_size=10",
        "data.corpus.eval_fraction=0.5",
    ]
    main(["eval", str(copied), *words, "--limit", "3", "--device", "cpu"])
    name = " ".join(words)
    (kept,) = json.loads((copied / "eval.json").read_text()).items()
    assert kept[0] == name
    assert kept[1]["limit"] == 3
    assert kept[1]["metrics"]["tokens"] == 27
    assert kept[1]["metrics"]["loss"] < 3  # of eleven words: one that the tokenizer of data made
    output = capsys.readouterr().out
    assert f"{kept[1]['metrics']['bits_per_byte']:.4f}" in output
    assert f"saved in {copied}/eval.json" in output


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "is no directory of a run, so it has no data of its own"),
        (["data=nosuch"], "nosuch"),
        (["--chat", "data=stories"], "--chat is about tasks"),
        (["data=stories", "--tasks", "x.yaml"], "data=stories is about data"),
        (["--tasks", "x.yaml"], "there is no file x.yaml"),
    ],
)
def test_a_mistake_is_one_message(copied, more, told, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["eval", str(copied), *more])
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not (copied / "eval.json").exists()


def test_help_needs_no_torch() -> None:
    code = """
import sys
from forgather_hydra.cli.forgather import main
try: main(["eval", "--help"])
except SystemExit: pass
assert "torch" not in sys.modules and "hydra" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def sweep(words: Path, tmp_path: Path) -> Path:
    """The directory of a sweep, the second job of which has failed."""
    jobs = []
    for number, status in enumerate(["finished", "failed", "finished"]):
        directory = tmp_path / f"sweep/{number}"
        directory.mkdir(parents=True)
        if status == "finished":
            shutil.copytree(words, directory / "model")
        overrides = [f"seed={number}"]
        jobs.append(JobResult(number, overrides, State(status), float(number), str(number)))
    save(tmp_path / "sweep", jobs, "eval_loss", "minimize")
    return tmp_path / "sweep"


def test_all_models_of_a_sweep_are_evaluated(sweep, texts, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(texts.parent / "cache"))
    words = ["data=folder", f"data.path={texts}", "data.block_size=10"]
    main(["eval", str(sweep), *words, "--limit", "1", "--device", "cpu"])
    printed = capsys.readouterr()
    assert "job 1 (" in printed.err
    assert "has no model: left out" in printed.err
    measured = [json.loads((sweep / n / "eval.json").read_text()) for n in ("0", "2")]
    name = " ".join(words)
    shown = f"{measured[0][name]['metrics']['bits_per_byte']:.6g}"
    assert printed.out.rpartition("results of")[2].count(shown) == 2
    with (sweep / "results.csv").open(newline="") as file:
        losses = [row[f"{name} loss"] for row in csv.DictReader(file)]
    assert sorted(map(bool, losses)) == [False, True, True]
    assert f"{name} bits_per_byte" in (sweep / "results.html").read_text()
