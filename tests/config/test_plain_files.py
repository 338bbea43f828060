"""Plain YAML files that nobody can read: one message that names the file and the line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg
from forgather_hydra.config.plain import fault_of
from forgather_hydra.errors import ForgatherError

HEAD = b"# @package _global_\n"


def bomb(first: str, following: str, levels: int = 40) -> bytes:
    lines = [f"l0: &l0 {first}"]
    lines += [f"l{i}: &l{i} {following.replace('*', f'*l{i - 1}')}" for i in range(1, levels)]
    return HEAD + "\n".join(lines).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (HEAD + b"x: caf\xe9\n", 2, "no UTF-8"),
        (HEAD + b"a: 1\nx: " + b"9" * 6000 + b"\n", 3, "a number of 6000 digits"),
        (bomb("[x]", "[*, *]"), None, "1,000,000 values"),
        (bomb("{a: 1}", "{<<: [*, *]}"), None, "1,000,000 values"),
    ],
)
def test_faults(content: bytes, line: int | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    begin = time.process_time()
    fault = fault_of(str(file))
    assert fault is not None
    assert told in str(fault)
    assert fault.line == (line or fault.line)
    assert time.process_time() < begin + 2


@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"x: '" + b"9" * 6000 + b"'\n",
        HEAD + b"a: &a [1, 2]\nb: [*a, *a]\nc: {<<: {d: 1}}\n",
        HEAD + b"glob: '**/*.txt'\n",
        b"\xef\xbb\xbfx: caf\xc3\xa9\n",
        b"x: [1\n",
    ],
)
def test_files_that_can_be_read_or_are_told_of_by_who_reads_them(
    content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    assert fault_of(str(file)) is None


@pytest.mark.parametrize("name", ["latin", "digits"])
def test_a_file_on_the_search_path(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine/choice").mkdir(parents=True)
    text = b"x: caf\xe9\n" if name == "latin" else b"x: " + b"9" * 6000 + b"\n"
    (tmp_path / f"mine/choice/{name}.yaml").write_bytes(HEAD + text)
    with pytest.raises(ForgatherError) as caught:
        fg.launch(f"hydra.searchpath=[file://{tmp_path}/mine]", f"+choice={name}")
    assert f"mine/choice/{name}.yaml:2" in str(caught.value)
