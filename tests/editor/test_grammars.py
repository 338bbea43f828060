"""The editors' grammars see the language as the templates' own reader does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.graph.words import WORDS
from forgather_hydra.template import mistakes, split, syntax

ROOT = Path(__file__).parents[2]
VSCODE = ROOT / "editors/vscode"
RULES = json.loads((VSCODE / "syntaxes/forgather.tmLanguage.json").read_text())["repository"]
VIM = (ROOT / "editors/vim/syntax/forgather.vim").read_text()
PACKAGE = json.loads((VSCODE / "package.json").read_text())


def lines() -> Iterator[str]:
    """All lines of the shipped templates, and some of which the editors might think otherwise."""
    for folder in ("templatelib", "conf", "tests/cases"):
        for file in sorted((ROOT / folder).rglob("*.yaml")):
            yield from file.read_text().splitlines()
    yield from ("---", "--x: 1", "<<: *base", "==", "=> x", " [a, b]", "[a-b]", "[a!]", "a: [b]")


READERS = {
    "statement": lambda line: (m := syntax._STATEMENT.match(line)) and m[1] in ("--", "<<", ">>"),
    "print": lambda line: (m := syntax._STATEMENT.match(line)) and m[1] in ("==", "=>"),
    "header": syntax._HEADER.match,
    "marker": split._MARKER.match,
}


@pytest.mark.parametrize("rule", READERS)
def test_lines_are_seen_as_the_reader_sees_them(rule: str) -> None:
    pattern = re.compile(RULES[rule]["match"])
    seen = [line for line in lines() if READERS[rule](line)]
    assert len(seen) > 1
    assert seen == [line for line in lines() if pattern.match(line)]


def patterns(rule: Any) -> Iterator[str]:
    if isinstance(rule, dict):
        yield from (rule[key] for key in ("match", "begin", "end") if key in rule)
        for below in rule.values():
            yield from patterns(below)
    elif isinstance(rule, list):
        for below in rule:
            yield from patterns(below)


def test_every_pattern_is_one() -> None:
    assert all(re.compile(pattern) for pattern in patterns(RULES))


@pytest.mark.parametrize("word", WORDS)
def test_every_tag_is_one(word: str) -> None:
    of_vim = next(line for line in VIM.splitlines() if "forgatherTag /" in line)
    assert re.match(RULES["tag"]["match"], f"!{word}:module:name@name ")
    assert r"!\([a-z]\+\)" in of_vim
    assert re.fullmatch("[a-z]+", word)


@pytest.mark.parametrize("grammar", [RULES["statement"]["match"], VIM])
def test_every_statement_is_there(grammar: str) -> None:
    words = set(re.findall(r"\w+", grammar))
    missing = [word for word in mistakes.KEYWORDS if word.removeprefix("end") not in words]
    assert missing == []


def test_the_package_has_what_it_names() -> None:
    contributed = PACKAGE["contributes"]
    named = [*contributed["grammars"], *contributed["languages"]]
    files = [each.get("path") or each["configuration"] for each in named]
    assert all((VSCODE / file).is_file() for file in [*files, PACKAGE["main"]])
    assert re.match(contributed["languages"][0]["firstLine"], "-- extends 'a.yaml'")


VIM_GROUPS = {  # of a word in a line
    ("-- extends 'a.yaml'", "extends"): "forgatherKeyword",
    ("    == super()", "super"): "forgatherWord",
    ("[trainer_args]", "trainer"): "forgatherHeader",
    ("a: !partial:torch.optim.AdamW", "partial"): "forgatherTag",
    ("b: {{ ns.x }}", "ns"): "forgatherExpression",
    ("## a note", "note"): "forgatherComment",
    ("#---- part ----", "part"): "forgatherMarker",
}


@pytest.mark.skipif(
    "+syntax" not in (subprocess.run([VI, "--version"], capture_output=True, text=True).stdout)
    if (VI := shutil.which("vim"))
    else True,
    reason="needs vim with syntax files",
)
def test_vim_shows_what_there_is(tmp_path: Path) -> None:
    file = tmp_path / "templates.yaml"
    file.write_text("".join(f"{line}\n" for line, _ in VIM_GROUPS))
    places = [(n, line.index(word) + 1) for n, (line, word) in enumerate(VIM_GROUPS, start=1)]
    asked = [f"synIDattr(synID({line},{column},1),'name')" for line, column in places]
    commands = [
        f"set runtimepath^={ROOT / 'editors/vim'}",
        *("filetype on", "syntax on", f"edit {file}"),
        f"call writefile([{', '.join(asked)}], '{tmp_path / 'groups'}')",
        "qall!",
    ]
    subprocess.run(
        ["vim", "-u", "NONE", "-es", *(word for c in commands for word in ("-c", c))],
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (tmp_path / "groups").read_text().split() == [*VIM_GROUPS.values()]
