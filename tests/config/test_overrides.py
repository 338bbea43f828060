"""Overrides reach what they name: keys, items, types, definitions behind references, parts."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.walk import isomorphic

FILES = {
    "config.yaml": "seed: 3\n",
    "experiment/base.yaml": """\
# @package _global_
-- set ns = namespace(size=3)
-- block defaults
defaults:
    - /optimizer: adam
    - /data: text
    - _self_
-- endblock defaults
layer: &layer !partial:builtins:dict
    sizes: [ {{ ns.size }}, 4]
    betas: !tuple [0.9, 0.95]
stack: !call:builtins:list
    - [*layer, *layer]
trainer: &trainer !call:builtins:dict
    optimizer: ${optimizer}
    tokenizer: ${data.tokenizer}
    limit: ${data.limit}
    layer: *layer
    seed: ${seed}
main: !call:builtins:dict {trainer: *trainer}
""",
    "optimizer/adam.yaml": "!partial:builtins:dict\nlr: 0.1\nbetas: !tuple [0.9, 0.95]\n",
    "optimizer/plain.yaml": "_target_: builtins.dict\n_partial_: true\nlr: 0.5\nmomentum: 0.9\n",
    "optimizer/written.yaml": "!partial:builtins:dict {lr: 0.5, momentum: 0.9}\n",
    "data/text.yaml": (
        "tokenizer: &tokenizer !call:builtins:dict {size: 10}\nlimit: 7\n"
        "rows: !call:list [[*tokenizer]]\n"
    ),
    "data/mine.yaml": (
        "tokenizer: {_target_: builtins.dict, size: 20}\nlimit: 8\nrows: ['${data.tokenizer}']\n"
    ),
    "late/detached.yaml": "# @package _global_\ntrainer: {tokenizer: {size: 5}}\n",
    "late/pointed.yaml": "# @package _global_\ntrainer: {optimizer: null, layer: '${optimizer}'}\n",
    "late/definition.yaml": "# @package _global_\ndata: {tokenizer: {size: 5}}\n",
}


@pytest.fixture(scope="module")
def folder(application: Any) -> Path:
    path: Path = application(FILES)
    return path


@pytest.fixture(scope="module")
def composed(folder: Path, compose_in: Any) -> Any:
    return partial(compose_in, folder / "conf", "+experiment=base")


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ("optimizer.lr=1", "optimizer.lr", 1),
        ("trainer.optimizer.lr=1", "optimizer.lr", 1),
        ("main.trainer.optimizer.lr=1", "optimizer.lr", 1),
        ("+trainer.optimizer.decay=1", "optimizer.decay", 1),
        ("++main.trainer.tokenizer.more=1", "data.tokenizer.more", 1),
        ("trainer.tokenizer.size=1", "data.tokenizer.size", 1),
        ("main.trainer.tokenizer.size=1", "data.tokenizer.size", 1),
        ("data.rows._args_.0.0.size=1", "data.tokenizer.size", 1),
        ("layer.sizes.1=1", "layer.sizes", [3, 1]),
        ("trainer.layer.sizes.1=1", "layer.sizes", [3, 1]),
        ("stack._args_.0.1.sizes=[1]", "layer.sizes", [1]),
        ("optimizer.betas=[0.8,0.9]", "optimizer.betas", [0.8, 0.9]),
        (
            "optimizer._target_=collections.OrderedDict",
            "optimizer._target_",
            "collections.OrderedDict",
        ),
        ("trainer.optimizer=null", "trainer.optimizer", None),
        ("trainer.limit=9", "trainer.limit", 9),
        ("trainer.limit=[9]", "trainer.limit", [9]),
        ("seed=9", "trainer.seed", 9),
        ("ns.size=9", "trainer.layer.sizes", [9, 4]),
    ],
)
def test_an_override_arrives(composed: Any, override: str, path: str, expected: Any) -> None:
    assert OmegaConf.select(composed(override), path) == expected


def test_an_override_through_an_alias_keeps_the_sharing(composed: Any) -> None:
    graph = fg.from_omegaconf(composed("+main.trainer.tokenizer.more=1", "~trainer.optimizer.lr"))
    assert graph.trainer.kwargs["tokenizer"] is graph.data.tokenizer
    assert graph.main.kwargs["trainer"] is graph.trainer
    assert graph.data.tokenizer.kwargs == {"size": 10, "more": 1}
    assert "lr" not in graph.optimizer.kwargs


def test_a_tuple_stays_one(composed: Any) -> None:
    graph = fg.from_omegaconf(composed("optimizer.betas='${fg.tuple:0.8,0.9}'"))
    assert graph.optimizer.kwargs["betas"] == (0.8, 0.9)


def test_a_saved_configuration_composes_to_the_same_graph(
    composed: Any, compose_in: Any, tmp_path: Path
) -> None:
    cfg = composed("ns.size=5", "trainer.optimizer.lr=2")
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    again = compose_in(tmp_path)
    assert isomorphic(fg.from_omegaconf(again), fg.from_omegaconf(cfg))


def test_everything_resolves(composed: Any) -> None:
    resolved = OmegaConf.to_container(composed("trainer.tokenizer.size=1"), resolve=True)
    assert isinstance(resolved, dict)
    assert resolved["main"]["trainer"]["tokenizer"]["size"] == 1
    assert resolved["trainer"]["limit"] == 7


@pytest.mark.parametrize("option", ["plain", "written"])
def test_a_part_is_replaced_whole(composed: Any, option: str) -> None:
    graph = fg.from_omegaconf(composed(f"optimizer={option}", "trainer.optimizer.lr=2"))
    assert graph.optimizer.kwargs == {"lr": 2, "momentum": 0.9}
    assert graph.trainer.kwargs["optimizer"] is graph.optimizer
    assert graph.optimizer.kind == "partial"


def test_a_plain_group_option_shares_like_a_template(composed: Any) -> None:
    graph = fg.from_omegaconf(composed("data=mine"))
    assert graph.data.rows[0] is graph.data.tokenizer is graph.trainer.kwargs["tokenizer"]


def test_a_file_that_writes_below_a_reference_is_refused(composed: Any) -> None:
    with pytest.raises(ForgatherError) as caught:
        composed("+late=detached")
    error = caught.value
    assert (error.kind, error.path) == ("detached_reference", "trainer.tokenizer")
    assert "data.tokenizer" in error.message
    assert "size: 5" in error.message
    assert "data.tokenizer" in str(error.hint)
    assert error.template is not None


def test_a_file_may_write_to_the_definition_or_point_elsewhere(composed: Any) -> None:
    assert composed("+late=definition").trainer.tokenizer.size == 5
    cfg = composed("+late=pointed")
    assert cfg.trainer.optimizer is None
    assert cfg.trainer.layer.lr == 0.1


def test_an_override_may_replace_a_reference(composed: Any) -> None:
    cfg = composed("++trainer.tokenizer={size:10,more:1}")
    assert cfg.trainer.tokenizer.more == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-- set x = 1\nns: {a: 1}\n", "'ns' shows the render variables"),
        ("-- set x = 1\na: 1\nforgather: 2\n", "'forgather' holds notes"),
        ("-- set x = 1\nvars: [1]\n", "'vars' holds the values"),
        ("-- set x = 1\nhydra: !call:dict {}\n", "'hydra' configures Hydra"),
    ],
)
def test_reserved_root_keys(text: str, expected: str, tmp_path: Path, compose_in: Any) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ForgatherError, match=expected) as caught:
        compose_in(tmp_path)
    assert (caught.value.kind, caught.value.line) == ("reserved_key", text.count("\n"))


def test_vars_and_hydra_may_be_set(tmp_path: Path, compose_in: Any) -> None:
    (tmp_path / "config.yaml").write_text("a: !var x\nvars: {x: 4}\nhydra: {job: {name: mine}}\n")
    cfg = compose_in(tmp_path, return_hydra_config=True)
    assert (cfg.a, cfg.hydra.job.name) == (4, "mine")


def test_completion_knows_variables_and_goes_through_references(folder: Path) -> None:
    (folder / "app.py").write_text(
        "import hydra\n"
        "@hydra.main(version_base=None, config_path='conf', config_name='config')\n"
        "def app(cfg): ...\n"
        "if __name__ == '__main__':\n"
        "    app()\n"
        "    import sys\n"
        "    assert 'torch' not in sys.modules\n"
    )
    found = {}
    for typed in ("+experiment=", "+experiment=base ns.", "+experiment=base trainer.tokenizer."):
        line = f"python app.py {typed}"
        done = subprocess.run(
            [sys.executable, "app.py", "-sc", "query=bash"],
            cwd=folder,
            env={**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))},
            capture_output=True,
            text=True,
            check=True,
        )
        found[typed] = done.stdout.split()
    assert list(found.values()) == [
        ["+experiment=base"],
        ["ns.size="],
        ["trainer.tokenizer._target_=", "trainer.tokenizer.size="],
    ]
