"""Of several overrides of a group in a defaults list the child's, which comes last, is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.errors import MissingConfigException

PARENT = """\
# @package _global_
-- block defaults
defaults:
    - override /db: a
    - override /log: x
-- endblock defaults
"""
CHILD = """\
-- extends 'experiment/parent.yaml'
-- block defaults
    == super()
    - override  /db: %s
-- endblock defaults
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {f"{group}/{name}": f"name: {name}\n" for group in ("db", "log") for name in "abxy"}
    files |= {"config": "defaults: [db: a, log: y]\n", "experiment/parent": PARENT}
    files |= {"experiment/child": CHILD % "b", "experiment/wrong": CHILD % "nothing"}
    for name, text in files.items():
        file = tmp_path / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.mark.parametrize(("experiment", "db"), [("parent", "a"), ("child", "b")])
def test_the_last_one_is_chosen(folder: Path, compose_in: Any, experiment: str, db: str) -> None:
    cfg = compose_in(folder, f"+experiment={experiment}")
    assert (cfg.db.name, cfg.log.name) == (db, "x")


def test_the_command_line_is_stronger(folder: Path, compose_in: Any) -> None:
    assert compose_in(folder, "+experiment=child", "db=x").db.name == "x"


def test_a_wrong_one_is_looked_for(folder: Path, compose_in: Any) -> None:
    with pytest.raises(MissingConfigException, match="db/nothing"):
        compose_in(folder, "+experiment=wrong")
