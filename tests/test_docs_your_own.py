"""What the page on parts of one's own shows runs as it stands."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from tiny_runs import metrics
from warm import WarmProcess

PAGE = (Path(__file__).parents[1] / "docs/how-to/your-own.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = list(
    dict.fromkeys(re.findall(r"^\$ python -m forgather_hydra (.*)$", PAGE, re.MULTILINE))
)
SHORT = [
    *("trainer.args.max_steps=2", "trainer.args.logging_steps=1", "trainer.args.eval_steps=2"),
    *("trainer.args.save_steps=2", "trainer.args.max_eval_steps=1", "main.max_new_tokens=2"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder, with all files of the page."""
    root = tmp_path_factory.mktemp("reader")
    for name, text in FILES:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() + "\n\n" if file.exists() else "") + text)
    return root


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-40:])
def test_a_command_of_the_page_trains(
    command: str, folder: Path, warm_training: WarmProcess
) -> None:
    run = folder / f"run{COMMANDS.index(command)}"
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    words = [*shlex.split(command), *SHORT, f"hydra.run.dir={run}"]
    done = warm_training.run(*words, cwd=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    records = metrics(run)
    assert records[-1]["final"]
    if "accuracy" in command:
        assert any(0 <= record.get("eval_accuracy", -1) <= 1 for record in records)
    if "herald" in command:
        assert "Hear ye: " in done.stdout


def test_every_part_is_shown() -> None:
    assert len(COMMANDS) == 10
    assert len({name for name, _ in FILES}) == 9
