"""Acceptance cases of the language (cases/language.yaml), run through the public API.

A case has `templates` and `modules` (file name -> text), an `entry` template, `render` variables
and `steps`. Every step loads the configuration anew in a fresh environment, except with
`reuse: true`. Values are plain YAML plus `{$tuple: [...]}`, `{$float: inf}`, `{$callable: true}`
and `{$any: true}`.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import forgather_hydra as fg

CASES = yaml.safe_load(
    (Path(__file__).parent / "cases" / "language.yaml").read_text(encoding="utf-8")
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules_before = set(sys.modules)
    runner = _Runner(case, tmp_path)
    monkeypatch.syspath_prepend(str(runner.modules))
    try:
        for step in case["steps"]:
            getattr(runner, step["do"])({"entry": case.get("entry"), **step})
    finally:
        for name in set(sys.modules) - modules_before:
            if str(runner.modules) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


class _Runner:
    def __init__(self, case: dict[str, Any], tmp_path: Path) -> None:
        self.templates, self.modules, self.layout = (
            tmp_path / n for n in ("templates", "modules", "layout")
        )
        for folder, key in (
            (self.templates, "templates"),
            (self.modules, "modules"),
            (self.layout, "layout"),
        ):
            folder.mkdir()
            for name, text in case.get(key, {}).items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text, encoding="utf-8")
        self.render_vars = {**case.get("render", {}), "case_dir": str(self.modules)}
        self.graph: Any = None

    def load(self, step: dict[str, Any]) -> fg.Config:
        return fg.ConfigEnvironment(searchpath=[self.templates]).load(
            step["entry"], **self.render_vars
        )

    def graph_of(self, step: dict[str, Any]) -> Any:
        if not step.get("reuse"):
            self.graph = self.load(step).config
        return self.graph

    def build(self, step: dict[str, Any], graph: Any = None) -> Any:
        graph = self.graph_of(step) if graph is None else graph
        kwargs = {"targets": step["target"]} if "target" in step else {}
        return fg.Latent.materialize(graph, context_vars=step.get("context_vars"), **kwargs)

    def render(self, step: dict[str, Any]) -> None:
        text = fg.ConfigEnvironment(searchpath=[self.templates]).preprocess(
            step["entry"], **self.render_vars
        )
        if step.get("exact"):
            assert text.rstrip("\n") == step["expect"].rstrip("\n")
        else:
            assert _lines(text) == _lines(step["expect"])

    def targets(self, step: dict[str, Any]) -> None:
        assert fg.targets(self.graph_of(step)) == step["expect"]

    def materialize(self, step: dict[str, Any]) -> None:
        _check(_called(self.build(step), step), step["expect"])

    def same(self, step: dict[str, Any]) -> None:
        result = self.build(step)
        assert _at(result, step["paths"][0]) is _at(result, step["paths"][1])

    def distinct(self, step: dict[str, Any]) -> None:
        result = self.build(step)
        assert _at(result, step["paths"][0]) is not _at(result, step["paths"][1])

    def same_across(self, step: dict[str, Any]) -> None:
        graph = self.graph_of(step)
        assert self.build(step, graph) is self.build(step, graph)

    def distinct_across(self, step: dict[str, Any]) -> None:
        graph = self.graph_of(step)
        assert self.build(step, graph) is not self.build(step, graph)

    def code(self, step: dict[str, Any]) -> None:
        graph = self.graph_of(step)
        options = step.get("options", {})
        text = fg.generate_code(graph[step["target"]] if "target" in step else graph, **options)
        for part in step.get("contains", []):
            assert part in text
        for part in step.get("lacks", []):
            assert part not in text
        namespace: dict[str, Any] = {}
        exec(compile(text, "<generated>", "exec"), namespace)
        result = namespace[options.get("factory_name", "construct")](**step.get("vars", {}))
        if "expect" in step:
            _check(_called(result, step), step["expect"])
        if "same" in step:
            assert _at(result, step["same"][0]) is _at(result, step["same"][1])
        if "distinct" in step:
            assert _at(result, step["distinct"][0]) is not _at(result, step["distinct"][1])

    def yaml(self, step: dict[str, Any]) -> None:
        text = fg.to_yaml(self.graph_of(step))
        again = fg.ConfigEnvironment(searchpath=[self.templates]).parse(text).config
        _check(_called(self.build(step, again), step), step["expect"])

    def error(self, step: dict[str, Any]) -> None:
        with pytest.raises(fg.errors.ForgatherError) as caught:
            self._fail(step)
        error = caught.value
        assert error.kind == step["kind"]
        for word in step.get("mentions", []):
            assert str(word) in str(error)
        if "type" in step:
            assert step["type"] in {
                t.__name__ for t in (*type(error).__mro__, type(error.__cause__))
            }
        if "location" in step:
            assert (error.template, error.line) == (
                step["location"]["template"],
                step["location"]["line"],
            )
            assert f"{step['location']['template']}:{step['location']['line']}" in str(error)

    def _fail(self, step: dict[str, Any]) -> None:
        if step["at"] == "project":
            self.project({**step, "expect": None})
        elif step["at"] == "render":
            fg.ConfigEnvironment(searchpath=[self.templates]).preprocess(
                step["entry"], **self.render_vars
            )
        elif step["at"] == "parse":
            self.load(step)
        elif step["at"] == "materialize":
            _called(self.build(step), step)
        else:
            fg.generate_code(self.graph_of(step))

    def project(self, step: dict[str, Any]) -> None:
        project = fg.Project(step.get("config", ""), str(self.layout / step["dir"]))
        result = fg.Latent.materialize(
            project.config,
            targets=step.get("target", "main"),
            context_vars=step.get("context_vars"),
        )
        _check(result, step["expect"])
        meta = step.get("meta", {})
        if meta.get("name"):
            assert project.meta.name == meta["name"]
        if "default_config" in meta:
            assert project.meta.default_config == meta["default_config"]
        if "workspace" in meta:
            assert os.path.samefile(project.meta.workspace_root, self.layout / meta["workspace"])


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _called(result: Any, step: dict[str, Any]) -> Any:
    if "call" not in step:
        return result
    args, kwargs = step["call"].get("args", []), step["call"].get("kwargs", {})
    if "repeat_call" in step:
        return [result(*args, **kwargs) for _ in range(step["repeat_call"])]
    return result(*args, **kwargs)


def _at(value: Any, path: list[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def _check(value: Any, expected: Any) -> None:
    if isinstance(expected, dict) and len(expected) == 1 and next(iter(expected)).startswith("$"):
        kind, argument = next(iter(expected.items()))
        if kind == "$tuple":
            assert isinstance(value, tuple)
            _check(list(value), argument)
        elif kind == "$float":
            assert value == float(argument) or (math.isnan(value) and argument == "nan")
        elif kind == "$callable":
            assert callable(value)
    elif isinstance(expected, dict):
        assert isinstance(value, dict)
        assert list(value) == list(expected) or set(value) == set(expected)
        for key in expected:
            _check(value[key], expected[key])
    elif isinstance(expected, list):
        assert isinstance(value, list)
        assert len(value) == len(expected)
        for item, wanted in zip(value, expected, strict=True):
            _check(item, wanted)
    else:
        assert type(value) is type(expected)
        assert value == expected
