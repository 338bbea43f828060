"""Which jobs a description of a sweep makes."""

from __future__ import annotations

from typing import Any

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from forgather_hydra.errors import ForgatherError
from forgather_hydra.sweep.plan import Plan


def jobs(*arguments: str, grid: dict[str, Any] | None = None, **plan: Any) -> list[str]:
    combinations = Plan(list((grid or {}).items()), **plan).jobs(
        arguments, OverridesParser.create()
    )
    return [" ".join(setting.override for setting in job) for job in combinations]


@pytest.mark.parametrize(
    "arguments",
    [
        ["a=1,2", "+b=range(0,4,2)", "++c=choice('x y',z)"],
        ["a=sort(3,1,2)", "group@package=x,y", "b=[1,2],[3]", "c={k:1},{k:2}"],
        ["a=1e-3,3e-4", "b=null,true", "c='p,q'", "d='1',\"2\"", "e=${x},${y}"],
        ["a=1", "b=[1,2]", "c="],
    ],
    ids=" ".join,
)
def test_the_command_line_is_that_of_hydras_own_sweeper(arguments: list[str]) -> None:
    overrides = OverridesParser.create().parse_overrides(arguments)
    (batch,) = BasicSweeper.split_arguments(overrides, None)
    assert jobs(*arguments) == [" ".join(job) for job in batch]


@pytest.mark.parametrize(
    ("values", "overrides"),
    [
        ([1, 2.5, True, None], ["a=1", "a=2.5", "a=True", "a=null"]),
        (["plain", "two words", "1"], ["a=plain", "a='two words'", "a='1'"]),
        (["true", "", "a:b"], ["a='true'", "a=''", "a='a:b'"]),
        ([[1, "x y"], {"k": "a,b"}], ["a=[1,'x y']", "a={k:'a,b'}"]),
        ("1,2", ["a=1", "a=2"]),
        ("range(1,4)", ["a=1", "a=2", "a=3"]),
        (7, ["a=7"]),
    ],
)  # fmt: skip
def test_values_of_a_grid(values: Any, overrides: list[str]) -> None:
    assert jobs(grid={"a": values}) == overrides


def test_parts_are_crossed_in_order() -> None:
    made = jobs("d=1,2", grid={"a": [1, 2]}, zipped={"b": [1, 2], "c": [3, 4]}, listed=[["e=0"]])
    assert len(made) == 8
    assert made[:3] == [
        "d=1 a=1 b=1 c=3 e=0",
        "d=1 a=1 b=2 c=4 e=0",
        "d=1 a=2 b=1 c=3 e=0",
    ]


def test_entries_of_a_list_may_set_different_keys_and_sweep_them() -> None:
    made = jobs(listed=[["model=a", "lr=1,2"], {"model": "b", "beta": [1, 2]}])
    assert made == ["model=a lr=1", "model=a lr=2", "model=b beta=[1,2]"]


def test_the_command_line_replaces_the_grid() -> None:
    assert jobs("a=5", grid={"+a": [1, 2], "b": [1]}) == ["a=5 b=1"]


@pytest.mark.parametrize(
    ("arguments", "plan", "told"),
    [
        (["a=1", "+a=2"], {}, "the overrides set 'a' twice"),
        ([], {"grid": {"a": [1], "+a": [2]}}, "set 'a' twice"),
        ([], {"grid": {"a": [1]}, "zipped": {"a": [2]}}, "set 'a' twice"),
        (["a=3"], {"zipped": {"a": [2]}}, "set 'a' twice"),
        ([], {"grid": {"a": [1]}, "listed": [["b=1"], ["a=2"]]}, "set 'a' twice"),
        ([], {"listed": [["a=1", "a=2"]]}, "set 'a' twice"),
        (["a.b=1,2", "~a"], {}, "^a.b=1,2 has no effect: ~a deletes it in each job"),
        ([], {"zipped": {"a": [1, 2], "b": [1]}}, "a has 2, b has 1"),
        ([], {"grid": {"a": []}}, "a: the list of values is empty"),
        ([], {"listed": ["a=1"]}, "neither a list of overrides nor a mapping"),
        (["a=range(3,1)"], {}, r"^a=range\(3,1\): there is no value to try"),
        (["a=range(0,1,0)"], {}, r"^a=range\(0,1,0\): .*must not be zero"),
        (["a=interval(0,1)"], {}, "hydra/sweeper=forgather_optuna"),
        ([], {"grid": {"a": "[1"}}, "a=\\[1"),
        (["a=1,2"], {"where": ["a > 2"]}, "where leaves none of 2 jobs"),
    ],
)
def test_mistakes(arguments: list[str], plan: dict[str, Any], told: str) -> None:
    with pytest.raises(ForgatherError, match=told):
        jobs(*arguments, **plan)


def test_deleting_a_key_and_adding_it_again_is_no_repetition() -> None:
    assert jobs("~a", "+a=1,2") == ["~a +a=1", "~a +a=2"]


def test_where_sees_all_that_a_job_sets() -> None:
    made = jobs("optimizer.lr=1,2,3", "batch=2", where=["lr * batch <= 4", "lr != 1"])
    assert made == ["optimizer.lr=2 batch=2"]


def test_no_jobs_are_no_mistake() -> None:
    assert Plan().filtered([]) == []
