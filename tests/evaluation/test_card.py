"""The card of a model, and what goes to a hub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, constants

from forgather_hydra.cli.forgather import main
from forgather_hydra.rundir import evaluations
from forgather_hydra.rundir.card import write_card

CONFIG = """
data: {corpus: {_target_: my.Corpus}}
optimizer: {lr: 0.25}
trainer: {args: {max_steps: 7}}
main: {secret: not told}
"""
HYDRA = "hydra: {runtime: {choices: {data: addresses}}}"


@pytest.fixture
def run(copied: Path) -> Path:
    """The directory of a finished run, as its files say."""
    (copied / ".hydra").mkdir()
    (copied / ".hydra/config.yaml").write_text(CONFIG)
    (copied / ".hydra/hydra.yaml").write_text(HYDRA)
    attempt = {"started": "2026-11-29T23:31:56+00:00", "host": "here", "pid": 1}
    record = {"attempts": [attempt], "signature": "x", "status": "finished"}
    record["overrides"] = ["+a=b c"]
    (copied / "run.json").write_text(json.dumps(record))
    final = {"final": True, "step": 7, "tokens": 99, "eval_loss": 2.5, "eval_perplexity": 12.2}
    (copied / "metrics.jsonl").write_text(json.dumps({"loss": 9}) + "\n" + json.dumps(final))
    evaluations.save(copied, "letters", {"acc": 0.75})
    return copied


def test_the_card_says_what_the_run_directory_holds(run) -> None:
    path = write_card(run, run / "model", "apache-2.0")
    card = ModelCard.load(path)
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "transformers"
    found = {(r.dataset_name, r.metric_type): r.metric_value for r in card.data.eval_results}
    assert found == {
        ("addresses", "eval_loss"): 2.5,
        ("addresses", "eval_perplexity"): 12.2,
        ("letters", "acc"): 0.75,
    }
    for part in ("python -m forgather_hydra '+a=b c'", "my.Corpus", "lr: 0.25", "| tokens | 99 |"):
        assert part in card.text
    assert "not told" not in card.text
    assert "trust_remote_code" not in card.text  # a Llama of transformers


def test_a_program_of_somebodys_own_is_no_command_of_ours(run) -> None:
    (run / "run.json").unlink()
    text = write_card(run, run / "model").read_text()
    assert "forgather_hydra +" not in text
    assert "```sh" not in text
    assert "lr: 0.25" in text


def test_a_new_card_keeps_the_license_and_somebody_elses_card_stays(run) -> None:
    path = write_card(run, run / "model", "mit")
    evaluations.save(run, "letters", {"acc": 0.5})
    assert ModelCard.load(write_card(run, run / "model")).data.license == "mit"
    assert "| letters | acc | 0.5000 |" in path.read_text()
    path.write_text("# Mine\n")
    assert write_card(run, run / "model", "apache-2.0").read_text() == "# Mine\n"


def test_a_dry_run_lists_what_would_be_uploaded(run, capsys) -> None:
    (run / "model/.hidden").write_text("")
    main(["push", str(run), "me/model", "--dry-run", "--license", "mit"])
    *lines, last = capsys.readouterr().out.splitlines()
    listed = {line.split()[1]: int(line.split()[0].replace(",", "")) for line in lines}
    seen = {p.name: p.stat().st_size for p in (run / "model").iterdir() if p.name != ".hidden"}
    assert listed == seen
    assert "README.md" in listed
    assert last == f"{sum(seen.values()):,}  bytes would go to me/model"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["RUN", "me/model"], "me/model could not be uploaded"),
        (["RUN", "no name", "--dry-run"], "give NAME or USER/NAME"),
        (["RUN/model", "me/model", "--license", "mit"], "is no directory of a run"),
        (["RUN/..", "me/model"], "holds no model with weights"),
    ],
)
def test_a_mistake_is_one_message(run, given, told, monkeypatch, capsys) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nothing listens
    with pytest.raises(SystemExit, match="2"):
        main(["push", *(word.replace("RUN", str(run)) for word in given)])
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


def test_a_dry_run_needs_no_torch(run) -> None:
    code = f"""
import sys
from forgather_hydra.cli.forgather import main
main(["push", {str(run)!r}, "me/model", "--dry-run"])
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
