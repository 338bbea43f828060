"""The programs that show what differs from plain Hydra print what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/explanation/comparison.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, re.S)


def test_the_programs_print_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for program, shown in PROGRAMS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(program, names)
        assert printed.getvalue().strip() == shown.strip()


def test_each_row_has_a_program() -> None:
    rows = re.findall(r"^\| .*\]\(#([\w-]+)\)", PAGE, re.M)
    titles = [title for title in re.findall(r"^## (.*)", PAGE, re.M) if title[:7] != "Beside "]
    assert rows == [title.lower().replace(" ", "-") for title in titles]
    assert len(rows) == len(PROGRAMS)


def test_the_readme_says_of_others_what_the_page_says() -> None:
    page, readme = tables(PAGE), tables((ROOT / "README.md").read_text(encoding="utf-8"))
    beside = readme["| | here | trl | axolotl | litgpt |"]
    assert len(beside) >= 4
    assert beside.items() <= page["| | here | trl | axolotl | litgpt |"].items()
    plain = "| | here | plain Hydra |"
    assert len(readme[plain]) == len(page[plain])


def tables(text: str) -> dict[str, dict[str, list[str]]]:
    """The rows of each table, by its first line and by their first cells."""
    found = {}
    for header, body in re.findall(r"^(\| \|.*)\n\| ---.*\n((?:\|.*\n)+)", text, re.M):
        rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in body.splitlines())
        found[header] = {first: others for first, *others in rows}
    return found


def test_what_is_said_of_others_can_be_shown_again() -> None:
    scripts = set(re.findall(r"bash (tests/peers/\w+\.sh)", PAGE))
    assert scripts == {f"tests/peers/{file.name}" for file in (ROOT / "tests/peers").glob("*.sh")}
