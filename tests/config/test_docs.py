"""What the reference page on Hydra shows is what the commands print."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from warm import WarmProcess

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/reference/hydra.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`(mine/[^`]+)`:\n\n```yaml\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    part.splitlines()
    for block in re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reader")
    for name, text in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("lines", COMMANDS, ids=lambda lines: lines[0])
def test_the_page_tells_what_is_printed(
    lines: list[str], folder: Path, warm_training: WarmProcess
) -> None:
    command, *expected = lines
    words = shlex.split(command)[1:]
    done = warm_training.python(*words, cwd=folder, environment=os.environ)
    printed = iter((done.stdout + done.stderr).replace(f"{REPOSITORY}/", "").splitlines())
    for line in expected:
        assert any(line in found for found in printed), (line, done.stdout, done.stderr)


def test_the_page_shows_something() -> None:
    assert len(FILES) >= 4
    assert len(COMMANDS) >= 10
