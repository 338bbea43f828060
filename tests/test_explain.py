"""`Config.explain`: the template lines that set a value, in order, and which of them won."""

from __future__ import annotations

from pathlib import Path

import pytest

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError

BASE = """\
## comment
[optimizer]
optimizer: !partial:torch.optim:AdamW
    lr: 1.0e-4
    decay: 0.1
    arg0: 1

[common]
common: &common {q: 1, r: 2}
"""
MIDDLE = "-- extends 'base.yaml'\n[optimizer]\n    == super()\n    lr: 1.0e-3\n    arg0: 5\n"
MAIN = """\
-- extends 'middle.yaml'
[optimizer]
    == super()
    lr: 3.0e-4 ## the last word
[common]
    == super()
-- include 'main.more'

#---- main.more ----
## a part
more:
    <<: *common
    q: 7
layers: [1, {x: 2}]
sample: !call:random:sample
    args: [[red, blue], 5]
    kwargs: {counts: [4, 2]}
"""


@pytest.fixture
def config(tmp_path: Path) -> fg.Config:
    return load(tmp_path, MAIN)


def load(folder: Path, main: str) -> fg.Config:
    for name, text in (("base", BASE), ("middle", MIDDLE), ("main", main)):
        (folder / f"{name}.yaml").write_text(text)
    return fg.ConfigEnvironment(folder).load("main.yaml")


def told(config: fg.Config, path: str) -> list[tuple[str, int, object, bool]]:
    found = []
    for setting in config.explain(path):
        assert setting.origin is not None
        found.append((setting.origin.template, setting.origin.line, setting.value, setting.wins))
    return found


def test_a_chain_of_overrides(config: fg.Config) -> None:
    assert told(config, "optimizer.lr") == [
        ("base.yaml", 4, 0.0001, False),
        ("middle.yaml", 4, 0.001, False),
        ("main.yaml", 4, 0.0003, True),
    ]


def test_a_positional_argument(config: fg.Config) -> None:
    assert told(config, "optimizer._args_.0") == [
        ("base.yaml", 6, 1, False),
        ("middle.yaml", 5, 5, True),
    ]
    assert told(config, "sample._args_.1") == [("main.yaml", 16, 5, True)]
    assert told(config, "sample.counts.0") == [("main.yaml", 17, 4, True)]


def test_merged_keys(config: fg.Config) -> None:
    assert told(config, "more.q") == [("base.yaml", 9, 1, False), ("main.yaml", 13, 7, True)]
    assert told(config, "more.r") == [("base.yaml", 9, 2, True)]


def test_items_of_lists(config: fg.Config) -> None:
    assert told(config, "layers.1.x") == [("main.yaml", 14, 2, True)]


def test_a_replaced_parent(tmp_path: Path) -> None:
    config = load(tmp_path, MAIN + "optimizer: !partial:torch.optim:SGD\n    lr: 0.5\n")
    assert [row[:2] + row[3:] for row in told(config, "optimizer.lr")] == [
        ("base.yaml", 4, False),
        ("middle.yaml", 4, False),
        ("main.yaml", 4, False),
        ("main.yaml", 19, True),
    ]


def test_a_parent_replaced_by_something_without_the_key(tmp_path: Path) -> None:
    config = load(tmp_path, MAIN + "optimizer: !partial:torch.optim:SGD\n    lr: 0.5\n")
    first, last = config.explain("optimizer.decay")
    assert (first.path, first.value, first.wins) == ("optimizer.decay", 0.1, False)
    assert (last.path, last.wins) == ("optimizer", True)
    assert last.origin is not None
    assert (last.origin.template, last.origin.line) == ("main.yaml", 18)


def test_rendered_lines_and_text_without_templates() -> None:
    config = fg.ConfigEnvironment([]).parse("a: 1\nb: 2\na: 3\n")
    assert [(s.rendered_line, s.value, s.wins) for s in config.explain("a")] == [
        (1, 1, False),
        (3, 3, True),
    ]


@pytest.mark.parametrize(
    ("path", "hint"), [("optimizer.lrr", "optimizer.lr"), ("optimiser", "optimizer")]
)
def test_a_path_that_nothing_sets(config: fg.Config, path: str, hint: str) -> None:
    with pytest.raises(ForgatherError, match=f"did you mean '{hint}'") as caught:
        config.explain(path)
    assert caught.value.kind == "unknown_target"
