"""An application without templates behaves the same whether this package is installed or not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

FILES = {
    "config.yaml": "# primary\ndefaults:\n  - db: mysql\n  - _self_\nseed: 1  # a comment -- set\n"
    "text: 'see !call'\nlist: [1, 2]\nalias: ${db}\nns:\n  a: 1\n",
    "db/mysql.yaml": "# @package db\nport: 3306\nuser: root\n",
    "db/sqlite.yaml": "port: 0\nfile: x.db\n",
    "db/twice.yaml": "port: 1\nport: 2\n",
    "db/broken.yaml": "port: [1\n",
}

COMMANDS: list[list[str]] = [
    ["--cfg", "job"],
    ["--cfg", "all", "seed=7"],
    ["--cfg", "job", "--resolve", "db=sqlite"],
    ["--cfg", "hydra"],
    ["--info", "defaults"],
    ["--info", "defaults-tree"],
    ["--info", "config"],
    ["--info", "searchpath"],
    ["--help"],
    ["-sc", "query=bash"],
    ["hydra.run.dir=out/run", "+new=3", "++db.user=me", "~list", "ns.a=5"],
    ["-m", "hydra.sweep.dir=out/sweep", "db=mysql,sqlite", "seed=1,2"],
    ["-m", "hydra.sweep.dir=out/glob", "db=glob(my*)", "seed=range(1,3)", "hydra.job.chdir=true"],
    [
        *("-m", "hydra.sweep.dir=out/named", "seed=sort(4,3)"),
        "hydra.sweep.subdir=${hydra.job.num}_${hydra.job.override_dirname}",
    ],
    ["-m", "seed=interval(1,2)"],
    ["-sc", "install=bash"],
    ["db=[mysql,sqlite]"],
    ["db@second=sqlite"],
    ["+db@second=sqlite", "--cfg", "job", "-p", "second"],
    ["-m", "hydra.sweep.dir=out/key", "db=mysql,sqlite", "db.file=y"],
    ["seed=1,2"],
    ["sed=1"],
    ["alias.port=1"],
    ["ns.b=1"],
    ["ns.a=${nothing}", "hydra.run.dir=out/bad"],
    ["db=postgres"],
    ["database=mysql"],
    ["db=twice"],
    ["db=broken"],
    ["seed=[1"],
    ["~nothing"],
    ["--config-name", "absent"],
    ["--config-dir", "absent"],
]


@pytest.fixture(scope="module")
def both(application: Any, run_commands: Any) -> list[tuple[Any, Path]]:
    folders = [application(FILES), application(FILES)]
    return [
        (run_commands(folder, COMMANDS, mode), folder)
        for folder, mode in zip(folders, ("ours", "bare"), strict=True)
    ]


@pytest.mark.parametrize("command", [" ".join(words) for words in COMMANDS])
def test_same_output(command: str, both: list[tuple[Any, Path]]) -> None:
    ours, stock = (_normal(outcomes.of[command]) for outcomes, _ in both)
    assert ours == stock
    assert ours[0] or ours[1]


def test_same_files(both: list[tuple[Any, Path]]) -> None:
    ours, stock = (_written(folder) for _, folder in both)
    assert ours == stock
    assert any("sweep/3/.hydra/hydra.yaml" in name for name in ours)


def test_duplicate_keys_are_still_errors(both: list[tuple[Any, Path]]) -> None:
    outcome = both[0][0].of["db=twice"]
    assert outcome.code == 1
    assert "found duplicate key port" in outcome.error


def test_nothing_heavy_is_imported(both: list[tuple[Any, Path]]) -> None:
    ours, stock = (set(outcomes.modules) for outcomes, _ in both)
    assert not any(name.startswith("forgather_hydra") for name in stock)
    assert "forgather_hydra.config.loader" in ours
    assert not ours & {"torch", "transformers", "datasets", "jinja2", "forgather_hydra.graph.nodes"}


def _normal(outcome: Any) -> tuple[str, str, int]:
    """An outcome without the time of day, and with the end of a traceback only."""
    out, error, code = outcome
    out = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+", "TIME", out)
    if error.startswith("Traceback"):
        error = error.rpartition("\n  File")[2].partition("\n")[2]
    return out, error, code


def _written(folder: Path) -> dict[str, str]:
    files = [path for path in (folder / "out").rglob("*.yaml") if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_text().replace(str(folder), "APP")
        for path in sorted(files)
    }


SHARED = """\
-- set ns = namespace(size=3)
-- include 'lines.inc'
one: &one {size: {{ ns.size }}}
two: *one
"""
PLACES = ["pkg://added.conf", "file://added/conf", "added/conf", "forgather://added/conf"]


def test_templates_on_the_search_path(application: Any, run_commands: Any) -> None:
    """Each place that the search path may name is a folder of the application like any other."""
    folder = application(
        {
            "config.yaml": "defaults: [{optional db: null}]\n",
            "main.yaml": "hydra: {searchpath: ['pkg://added.conf']}\ndefaults: [{db: mine}]\n",
            "lines.inc": "name: of the application\n",
        }
    )
    for name, text in {"db/mine": SHARED, "db/tag": "x: !partial:dict {y: 1}\n"}.items():
        file = folder / f"added/conf/{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "added/__init__.py").touch()
    words = [
        ["db=mine", "+ns.size=5", f"hydra.searchpath=[{place}]", "db.two.size=7"]
        for place in PLACES
    ]
    words += [
        ["--config-name", "main", "db.two.size=7"],
        ["db=tag", "hydra.searchpath=[added/conf]"],
    ]
    done = run_commands(folder, words)
    for command in words[:-1]:
        outcome = done.of[" ".join(command)]
        assert "one:\n    size: 7\n  two:\n    size: 7\n" in outcome.out, outcome
        assert "name: of the application" in outcome.out
    assert "_partial_: true" in done.of[" ".join(words[-1])].out
