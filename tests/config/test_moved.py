"""A template that a defaults list puts into another package means what it means anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from forgather_hydra.errors import ForgatherError
from tests.config.conftest import write_files

SHARED = """\
.define: &act !call:builtins:dict {kind: relu}
layer: &layer !call:builtins:dict {act: *act}
stack: [*layer, {deep: *layer}]
width: !var {name: width, default: 3}
seen: ${optimizer}
"""
FILES = {
    "part.yaml": SHARED,
    "group/at_root.yaml": f"# @package _global_\n{SHARED}",
    "group/in_group.yaml": SHARED,
    "outer/here.yaml": "defaults: [/group@_here_: at_root]\n",
    "outer/nested.yaml": "defaults: [/group@inner: at_root]\nown: &own !dict {a: 1}\nl: *own\n",
    "rest.yaml": "optimizer: {lr: 1}\nact: {kind: another}\nlayer: another\n",
}
PLACES = {
    "part@moved": "moved",
    "group@moved: at_root": "moved",
    "group@moved.below: in_group": "moved.below",
    "group@_global_: in_group": "",
    "outer: here": "outer",
    "outer@moved: nested": "moved.inner",
}


def composed(compose_in: Any, folder: Path, entries: list[str], *overrides: str) -> Any:
    lines = "".join(f"- {entry}\n" for entry in ["rest", *entries])
    write_files(folder, {**FILES, "config.yaml": f"defaults:\n{lines}"})
    return compose_in(folder, *overrides)


def plain(cfg: Any, place: str) -> Any:
    return OmegaConf.to_container(OmegaConf.select(cfg, place) if place else cfg, resolve=True)


@pytest.mark.parametrize("entry", PLACES)
def test_references_and_overrides_stay_within_it(
    entry: str, tmp_path: Path, compose_in: Any
) -> None:
    place = PLACES[entry]
    dot = f"{place}." if place else ""
    overrides = f"{dot}stack.1.deep.act.kind=gelu", f"{dot}seen.lr=2"
    found = plain(composed(compose_in, tmp_path, [entry], *overrides), place)
    layer = {"_target_": "builtins.dict", "act": {"_target_": "builtins.dict", "kind": "gelu"}}
    assert found["stack"] == [layer, {"deep": layer}]
    assert (found["width"], found["seen"]["lr"]) == (3, 2)


def test_in_several_packages_each_is_its_own(tmp_path: Path, compose_in: Any) -> None:
    entries = ["group@one: in_group", "group: in_group", "part@two", "part@three"]
    overrides = (f"{place}.stack.0.act.kind={place}" for place in ("one", "group", "two", "three"))
    cfg = composed(compose_in, tmp_path, entries, *overrides, "three.seen.lr=7")
    for place in ("one", "group", "two", "three"):
        assert plain(cfg, place)["stack"][1]["deep"]["act"]["kind"] == place
    assert cfg.optimizer.lr == cfg.one.seen.lr == 7
    assert OmegaConf.to_container(cfg.act) == {"kind": "another"}


def test_a_file_that_writes_below_a_reference_is_told(tmp_path: Path, compose_in: Any) -> None:
    files = {"late.yaml": "moved: {stack: 3, seen: {lr: 3}}\n"}
    write_files(tmp_path, files)
    with pytest.raises(ForgatherError, match=r"moved\.seen refers to optimizer, but a config file"):
        composed(compose_in, tmp_path, ["part@moved", "late"])


def test_one_that_stands_elsewhere_too_is_told_of_at_its_own_place(
    tmp_path: Path, compose_in: Any
) -> None:
    write_files(tmp_path, {"late.yaml": "group: {stack: 3, seen: {lr: 3}}\n"})
    entries = ["group: in_group", "group@one: in_group", "late"]
    with pytest.raises(ForgatherError, match=r"group\.seen refers to optimizer, but a config file"):
        composed(compose_in, tmp_path, entries)
