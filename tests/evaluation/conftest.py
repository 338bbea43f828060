"""A model of words in the directory of a run, and tasks for it, all on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from word_models import ROWS, TASK, word_model, word_tokenizer


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a model."""
    folder = tmp_path_factory.mktemp("words") / "model"
    word_model().save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a task with two choices."""
    folder = tmp_path_factory.mktemp("task")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (folder / "letters.yaml").write_text(TASK.format(data=folder / "rows.jsonl"))
    return folder / "letters.yaml"


@pytest.fixture
def copied(words: Path, tmp_path: Path) -> Path:
    """The model in the directory of a run that has no record of a configuration."""
    shutil.copytree(words, tmp_path / "run/model")
    return tmp_path / "run"
