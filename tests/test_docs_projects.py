"""What the pages on projects tell the reader to type does what they say.

Fenced blocks are taken in order: ``yaml NAME`` is a file that the reader writes, ``console`` has
commands and lines of what they print, ``python`` a program, and ``text`` what it prints. Numbers
may differ.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from warm import WarmProcess

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs/tutorials/projects"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
LEFT_BY_RUNS = {"outputs", "widths", "multirun", "runs", "model", "checkpoints"}


class Reader:
    """Does what a page says, in a folder."""

    def __init__(self, folder: Path, cache: Path, process: WarmProcess) -> None:
        self.here = folder
        self.process = process
        self.environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(cache),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
        }
        self.printed = ""

    def follow(self, page: Path) -> None:
        for language, name, body in FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "yaml" and name:
                (self.here / name).parent.mkdir(parents=True, exist_ok=True)
                (self.here / name).write_text(body)
            elif language == "console":
                for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                    command, *lines = part.splitlines()
                    self.run(command)
                    self.compare(lines)
            elif language == "python":
                self.call("-c", body)
            elif language == "text":
                self.compare(body.splitlines())

    def run(self, command: str) -> None:
        words = shlex.split(command)
        if words[0] == "cd":
            self.here = self.here / words[1]
            self.printed = ""
        elif words[0] == "forgather":
            self.call("-m", "forgather_hydra.cli.forgather", *words[1:])
        elif words[0] == "python":
            self.call(*words[1:])
        else:
            raise AssertionError(f"the page says {command}")

    def call(self, *words: str) -> None:
        done = self.process.python(*words, cwd=self.here, environment=self.environment)
        self.printed = done.stdout + done.stderr
        assert "Traceback" not in self.printed, self.printed

    def compare(self, lines: list[str]) -> None:
        """Each line is printed, in this order; other lines may stand between them."""
        printed = iter([plain(line) for line in self.printed.splitlines()])
        for line in lines:
            assert any(plain(line) in found for found in printed), (line, self.printed)


def plain(line: str) -> str:
    """A line without what may differ."""
    return " ".join(NUMBER.sub("N", line.replace(f"{ROOT}/", "")).split())


def written(folder: Path) -> dict[str, str]:
    """The files below a folder, without those that runs leave."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_BY_RUNS]
        for name in files:
            path = Path(root, name)
            if path.suffix in (".yaml", ".md") or name == ".gitignore":
                found[str(path.relative_to(folder))] = path.read_text()
    return found


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def reader(tmp_path: Path, cache: Path, warm_training: WarmProcess) -> Reader:
    return Reader(tmp_path, cache, warm_training)


def test_who_follows_the_tutorial_has_the_project_beside_it(reader: Reader, tmp_path: Path) -> None:
    reader.follow(TUTORIAL / "README.md")
    assert written(tmp_path / "play") == written(TUTORIAL / "workspace")


def test_the_guide_tells_what_is_printed(reader: Reader) -> None:
    reader.follow(ROOT / "docs/how-to/projects.md")
