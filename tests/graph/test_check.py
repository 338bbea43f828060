"""Calls are checked against signatures and annotations before anything is constructed."""

from __future__ import annotations

import re

import pytest

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.check import check
from forgather_hydra.graph.parse import parse


def call(target: str, argument: str) -> object:
    return parse(f"a: !call:typed_targets:{target}\n    {argument}\n")


@pytest.mark.parametrize(
    "argument",
    [
        *("count: 3", "count: true", "rate: 2", "rate: 1e-3", "flag: true", "flag: 1"),
        *("name: x", 'name: "2024"', "mode: slow", "mode: no", "colour: blue", "colour: BLUE"),
        *("colour: no", "limit: null", "limit: 3", "either: null", "either: 0.5", "number: 3"),
        *("implied: null", "implied: 3", "count: !var n", "count: !call:int [3]"),
        *("count: &n 3", "name: !call:str [3]"),
    ],
)
def test_values_that_fit(argument: str) -> None:
    check(call("plain", argument))


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("count: abc", "takes a whole number, not 'abc'"),
        ("count: 2.5", "takes a whole number, not 2.5"),
        ("count: null", "takes a whole number, not null"),
        ("count: [1]", "takes a whole number, not a list"),
        ("count: {a: 1}", "takes a whole number, not a mapping"),
        ("count: &c abc\n    limit: *c", "takes a whole number, not 'abc'"),
        ("rate: abc", "takes a number, not 'abc'"),
        ("flag: maybe", "takes true or false, not 'maybe'"),
        ("flag: 2", "takes true or false, not 2"),
        ("name: 2024", "takes text, not 2024"),
        ("mode: medium", "takes 'fast' or 'slow', not 'medium'"),
        ("colour: green", "takes 'red' or 'blue', not 'green'"),
        ("limit: x", "takes a whole number or null, not 'x'"),
        ("either: x", "takes a whole number, a number or null, not 'x'"),
        ("number: x", "takes a number, not 'x'"),
        ("implied: x", "takes a whole number or null, not 'x'"),
    ],
)
def test_values_that_do_not_fit(argument: str, told: str) -> None:
    with pytest.raises(ForgatherError, match=re.escape(told)):
        check(call("plain", argument))


@pytest.mark.parametrize(
    "argument",
    ["sloppy: x", "unknown: x", "items: x", "path: x", "bare: x", "more: x"],
)
def test_annotations_that_are_not_plain_say_nothing(argument: str) -> None:
    check(call("unclear", argument))


@pytest.mark.parametrize(
    "argument",
    [
        *("numbers: [1, 2]", "numbers: null", "numbers: !tuple [1]", "pair: [1, 2]", "names: ab"),
        *("names: [a, b]", "rows: [{a: 1}]", "rows: {a: 1}", "table: {a: 1}", "anything: ab"),
        *("anything: [1, x]", "makers: !dlist {a: null, b: !partial:int []}", "numbers: [!var n]"),
    ],
)
def test_collections_that_fit(argument: str) -> None:
    check(call("collections", argument))


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("numbers: 3", "numbers: typed_targets:collections takes a list or null, not 3"),
        ("numbers: ab", "takes a list or null, not 'ab'"),
        ("numbers: {a: 1}", "takes a list or null, not a mapping"),
        ("numbers: [1, x]", "numbers.1: typed_targets:collections takes a whole number, not 'x'"),
        ("pair: 0.9", "takes a list, not 0.9"),
        ("couple: [1, 2, 3]", "takes a list of 2, not a list of 3"),
        ("names: 3", "takes a list, not 3"),
        ("names: [a, 3]", "names.1: typed_targets:collections takes text, not 3"),
        ("rows: ab", "takes a list or null, not 'ab'"),
        ("table: [1]", "takes a mapping or null, not a list"),
        ("table: {a: x}", "table.a: typed_targets:collections takes a whole number, not 'x'"),
        ("anything: 3", "takes a list, not 3"),
        ("makers: !dlist {a: 4}", "makers.a: typed_targets:collections takes something to call"),
    ],
)
def test_collections_that_do_not_fit(argument: str, told: str) -> None:
    with pytest.raises(ForgatherError, match=re.escape(told)):
        check(call("collections", argument))


@pytest.mark.parametrize("value", ["x", "3", "[1]", "{lr: 1}"])
@pytest.mark.parametrize(
    ("argument", "told"),
    [("factory", "something to call or null"), ("settings", "a Settings or null")],
)
def test_what_is_made_by_a_call_is_no_plain_value(argument: str, told: str, value: str) -> None:
    with pytest.raises(ForgatherError, match=f"takes {told}, not") as caught:
        check(call("made", f"{argument}: {value}"))
    assert "a tag makes it" in str(caught.value)
    check(call("made", f"{argument}: !partial:typed_targets:plain"))


@pytest.mark.parametrize("target", ["Settings", "Method.make", "halved"])
def test_targets_of_every_kind_are_judged(target: str) -> None:
    name = "steps" if target == "Settings" else "count"
    check(call(target, f"{name}: 3"))
    with pytest.raises(ForgatherError, match="takes a whole number"):
        check(call(target, f"{name}: abc"))


def test_partials_and_positions_are_judged_and_all_problems_told_at_once() -> None:
    text = (
        "a: !partial:torch.optim:AdamW\n    lr: abc\n    eps: 1\n"
        "b: !call:typed_targets:plain [abc]\n"
        "c: !call:typed_targets:plain\n    nme: x\n"
    )
    with pytest.raises(ForgatherError) as caught:
        check(parse(text))
    for line in (
        "3 problems",
        "a.lr: torch.optim:AdamW takes a number, not 'abc'",
        "b.count: typed_targets:plain takes a whole number",
        "c: typed_targets:plain takes no argument 'nme'",
    ):
        assert line in str(caught.value)


def test_what_passes_is_what_construction_hands_on() -> None:
    assert materialize(call("plain", "rate: 2"))["a"]["rate"] == 2  # type: ignore[index]
