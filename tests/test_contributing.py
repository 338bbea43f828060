"""The files that CONTRIBUTING.md sends a newcomer to: they exist, and are few."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TASKS = PAGE.partition("## Ten tasks")[2].partition("\n## ")[0]
ROWS = [line for line in TASKS.splitlines() if line.startswith("| ") and "/" in line]


def test_there_are_ten_tasks() -> None:
    assert len(ROWS) == 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_task_takes_at_most_three_files_or_one_of_two(row: str) -> None:
    files = re.findall(r"`([^`]+/[^`]+)`", row.split("|")[2])
    assert all((ROOT / file).is_file() for file in files), files
    assert len(files) - row.count("` or `") <= 3


def test_the_way_to_the_optimizers_step_is_as_told() -> None:
    way = PAGE.partition("From the entry point")[2].partition("\n\n")[0]
    named = re.findall(r"`([\w./]+)`", way)
    assert len([word for word in named if word.endswith(".py")]) <= 5
    calls = 0
    for word in named:
        if word.endswith(".py"):
            source = (ROOT / "forgather_hydra" / word).read_text(encoding="utf-8")
        else:
            assert f"def {word.rpartition('.')[2]}(" in source
            calls += 1
    assert calls <= 8
