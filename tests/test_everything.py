"""One configuration that uses every feature, through every arrow of the pipeline."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg

HERE = Path(__file__).parent / "cases" / "everything"
RENDER = {
    "modules": str(HERE / "modules"),
    "shared": str(HERE / "shared"),
    "reader": "a test",
    "scale": 2,
}
VARIABLES = {"size": 6}


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(HERE / "modules"))
    yield
    sys.modules.pop("everything_parts", None)


@pytest.fixture
def config() -> fg.Config:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return fg.ConfigEnvironment(HERE / "templates", strict=True).load("main.yaml", **RENDER)


def construct(graph: Any) -> Any:
    return fg.materialize(graph, context_vars=VARIABLES)


def described(value: Any, seen: dict[int, int] | None = None) -> Any:
    """A value as plain data: types, contents, and which mutable objects are the same one."""
    seen = {} if seen is None else seen
    if isinstance(value, (str, int, float, bool, type(None))):
        return type(value).__name__, "nan" if isinstance(value, float) and math.isnan(
            value
        ) else value
    if callable(value):
        return "callable"
    if id(value) in seen:
        return "same as", seen[id(value)]
    seen[id(value)] = len(seen)
    if isinstance(value, dict):
        return [(described(k, seen), described(v, seen)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [described(item, seen) for item in value]
    return type(value).__name__, described(vars(value), seen)


def executed(source: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), namespace)
    return namespace["construct"](**VARIABLES)


def test_rendered_text(config: fg.Config) -> None:
    lines = config.pp_config.splitlines()
    assert "# Every feature" in lines
    assert "# Description: tiny model" in lines
    assert 'raw: "{{ not evaluated }}"' in lines
    assert config.assigned["width"] == 8


def test_values(config: fg.Config) -> None:
    built = construct(config.config)
    assert built["scalars"]["small"] == 5e-4
    assert built["scalars"]["added"] == 2
    assert built["scalars"]["literal"] == "first line\n  indented line\n\nlast line\n"
    assert built["scalars"]["quoted"] == "x ## y"
    assert built["containers"]["tuple"] == (1, [2], {"x": 3})
    assert built["aliases"]["merged"] == {"x": 5, "y": 7}
    assert built["aliases"]["merged_twice"] == {"x": 5, "y": 0, "z": 1}
    assert built["aliases"]["lines"][0][1] is built["aliases"]["lines"][1][0]
    assert built["sum_of_sizes"] == 6
    assert built["scale"] == 2
    assert built["imports"]["file"] == ["<a", "<b"]
    assert built["imports"]["file_symbol"] == 4
    assert (built["imports"]["first_sqrt"], built["imports"]["second_sqrt"]) == ("2.0", "(2+0j)")
    assert built["operations"]["call"] == 32
    assert built["arguments"]["numbered"] == [["first", "last"], {"option": 1}]
    assert built["arguments"]["overridden"] == 7
    assert built["arguments"]["latent"] == {"a": 1, "b": 20, "c": 30}
    assert built["variables"]["required"] == 6
    assert built["variables"]["node_default"].size == 3
    assert built["callbacks"] == [[["progress"], {}], 0, "", [["save"], {}]]
    assert built["meta_nodes"] == {"kind": "os:abort"}
    assert built["generated"] == {"first_a": 1, "b": 2, "last_c": 3}
    assert (built["item_0"], built["item_1"]) == (0, 1)
    assert built["trainer"] == {
        "epochs": 1,
        "batch_size": 16,
        "warmup": 100,
        "precision": "bf16",
        "steps": 30,
    }
    assert built["captured"] == 2
    assert "flagged" not in built
    assert built["paths"]["values"] == {"k": [1, None, "yes"]}
    assert built["uses_extra"] is built["extra_layer"]
    assert built["optimizer"]([]).lr == 3e-4


def test_identity(config: fg.Config) -> None:
    built = construct(config.config)
    shared = built["sharing"]["singletons"][0]
    assert shared is built["sharing"]["singletons"][1] is built["main"].norm
    assert built["sharing"]["factories"][0] is not built["sharing"]["factories"][1]
    called = built["sharing"]["partial"]()
    assert called[0][0] is shared
    assert called[0][1] is not built["sharing"]["partial"]()[0][1]
    assert called[0][2] == 6
    assert built["main"].layers[0] is built["main"].layers[2] is built["first_layer"]
    stack = built["partials"]["stack"]
    assert len(stack.layers) == 3
    assert stack.layers[0].parts[1] is shared
    assert stack.layers[0].parts[0] is not stack.layers[1].parts[0]


def test_yaml_gives_the_same_graph(config: fg.Config) -> None:
    text = fg.to_yaml(config.config)
    again = fg.ConfigEnvironment([]).parse(text).config
    assert fg.to_yaml(again) == text
    assert described(construct(again)) == described(construct(config.config))


@pytest.mark.parametrize("policy", ["required", "named", "all"])
def test_generated_code_constructs_the_same(config: fg.Config, policy: str) -> None:
    source = fg.generate_code(config.config, name_policy=policy, relaxed_kwargs=True)
    assert described(executed(source)) == described(construct(config.config))


def test_every_target_on_its_own(config: fg.Config) -> None:
    for name in fg.targets(config.config):
        built = fg.materialize(config.config, targets=name, context_vars=VARIABLES)
        source = fg.generate_code(config.config[name], relaxed_kwargs=True)
        assert described(executed(source)) == described(built), name


def test_explain(config: fg.Config) -> None:
    found = [(s.origin.template, s.value) for s in config.explain("optimizer.lr") if s.origin]
    assert found == [("base.yaml", 1e-4), ("models/tiny.yaml", 1e-3), ("main.yaml", 3e-4)]


def test_every_line_has_an_origin(config: fg.Config) -> None:
    for number, line in enumerate(config.pp_config.splitlines(), start=1):
        if line.strip():
            assert config.source_map.origin(number), line
