"""Graph to OmegaConf and back: equal, sharing included, whatever happens in between."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.parse import parse
from forgather_hydra.graph.walk import isomorphic

GRAPHS = {
    "singleton with two users": "a: &a !call:object []\nb: {x: *a, y: [*a]}\n",
    "aliases in lists": "m: [&a !call:list [], *a, [*a]]\n",
    "shared partials at several depths": (
        ".define: &n !partial:torch.nn:LayerNorm [8]\n"
        ".define: &l !partial:app:Layer {norm: *n}\nmain: !call:app:M {l: *l, n: *n}\n"
    ),
    "shared factory over a singleton": (
        "s: &s !call:object []\nf: &f !factory:list [[*s]]\nm: [*f, *f, *s]\n"
    ),
    "tuples": (
        "a: !tuple [1, 2.5, x]\nb: !tuple []\nc: !tuple [[1], !tuple [2]]\n"
        "d: &d !tuple [{x: 1}]\ne: *d\n"
    ),
    "args and kwargs": (
        "a: !call:sorted {args: [[2, 1]], kwargs: {reverse: true}}\n"
        "b: !call:dict {arg0: [], x: 1}\n"
    ),
    "variables": (
        "a: !var x\nb: !var {name: y, default: 3}\n"
        "c: [!var {name: q, default: 1}, !var {name: q, default: 2}]\n"
    ),
    "variable with a node as default": "a: !var {name: y, default: !call:object []}\n",
    "awkward strings": (
        'a: "yes"\nb: "1e-3"\nc: "a: b # c"\nd: ""\ne: "x\\ny"\nf: "${x} \\\\${y}"\ng: "!call:x"\n'
    ),
    "odd keys": "a: {1: x, 2.5: y, true: z}\nb: {null: 1}\nc: {a.b: 1}\n",
    "root node": "!partial:torch.optim:AdamW {lr: 3e-4, x: &x {y: 1}, z: *x}\n",
    "root list": "- &a !call:dict []\n- [*a]\n- {x: *a}\n",
    "files and relative specs": (
        "a: !call:/x/y.py:f {submodule_searchpath: [p]}\nb: !partial:.part:C {d: 1}\n"
    ),
    "merge keys and duplicate keys": "b: &b {x: 1, l: &l [1]}\na: {<<: *b, x: 2}\nc: 1\nc: *l\n",
    "anchored scalars": "lr: &lr 1e-3\na: *lr\nb: {c: *lr}\n",
    "elided scalar": ".define: &n 5\na: *n\nb: *n\n",
    "key collisions": ".define: &a !call:object []\na: {b: *a, c: *a}\n",
    "shared plain containers": "a: &a {x: 1}\nb: [*a]\nc: &c [1]\nd: *c\n",
    "dlist": "a: &a !dlist {x: 1, y: ~, z: !call:list []}\nb: *a\n",
    "operations": "a: !call:getitem [{k: 5}, k]\nb: !partial:call [ !partial:pow [2] ]\n",
    "meta and latent arguments": (
        "a: !meta:m:f [ &x !call:object [] ]\nb: *x\nc: !call:dict {latent_args: {k: 1}}\n"
    ),
    "names": "a: !call:dict@first {x: 1}\nb: !list:@second [1]\nc: !call:dict@c {}\n",
    "used once but defined elsewhere": (
        ".define: &opt !partial:dict {lr: 1}\ntrainer: !call:dict {o: *opt}\n"
    ),
}

JOURNEYS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda cfg: cfg,
    "through YAML": lambda cfg: OmegaConf.create(OmegaConf.to_yaml(cfg)),
    "pickled": lambda cfg: pickle.loads(pickle.dumps(cfg)),
    "copied": copy.deepcopy,
    "merged": lambda cfg: OmegaConf.merge([] if OmegaConf.is_list(cfg) else {}, cfg),
}


@pytest.mark.parametrize("journey", JOURNEYS)
@pytest.mark.parametrize("name", GRAPHS)
def test_decode_undoes_encode(name: str, journey: str) -> None:
    graph = parse(GRAPHS[name])
    cfg = JOURNEYS[journey](fg.to_omegaconf(graph))
    # A config whose root is a list has no place for the labels of what it shares.
    assert isomorphic(graph, fg.from_omegaconf(cfg), labels=not OmegaConf.is_list(cfg))


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Random YAML in which later values alias earlier ones."""
    anchors: list[str] = []
    names = (f"n{i}" for i in range(1000))

    def value(depth: int) -> str:
        kinds = (
            ["scalar", "alias"]
            if depth == 0
            else ["scalar", "alias", "list", "dict", "call", "tuple", "var"]
        )
        kind = draw(st.sampled_from(kinds))
        if kind == "alias" and anchors:
            return "*" + draw(st.sampled_from(anchors))
        if kind in ("scalar", "alias"):
            return draw(
                st.sampled_from(["1", "2.5", "true", "~", "text", '"1"', "1e-3", "[]", "{}"])
            )
        if kind == "var":
            return f"!var {draw(st.sampled_from(['p', 'q']))}"
        anchor = ""
        if draw(st.booleans()):
            anchor = f"&{next(names)} "
        items = [value(depth - 1) for _ in range(draw(st.integers(0, 3)))]
        if anchor:
            anchors.append(anchor[1:-1])
        body = ", ".join(items)
        pairs = ", ".join(f"k{i}: {item}" for i, item in enumerate(items))
        tag = draw(st.sampled_from(["!call:m:f", "!factory:m:f", "!partial:m:g"]))
        return (
            anchor
            + {
                "list": f"[{body}]",
                "dict": f"{{{pairs}}}",
                "tuple": f"!tuple [{body}]",
                "call": f"{tag} {draw(st.sampled_from([f'[{body}]', f'{{{pairs}}}']))}",
            }[kind]
        )

    keys = [draw(st.sampled_from([".define", f"key{i}"])) for i in range(draw(st.integers(1, 5)))]
    return "".join(f"{key}: {value(3)}\n" for key in keys)


@settings(max_examples=300, deadline=None)
@given(documents())
def test_decode_undoes_encode_for_any_graph(text: str) -> None:
    graph = parse(text)
    cfg = fg.to_omegaconf(graph)
    assert isomorphic(graph, fg.from_omegaconf(cfg))
    assert isomorphic(graph, fg.from_omegaconf(OmegaConf.create(OmegaConf.to_yaml(cfg))))


def shared() -> Any:
    cfg = fg.to_omegaconf(
        parse("optimizer: &o !partial:dict {lr: 1}\ntrainer: !call:dict {factory: *o}\n")
    )
    OmegaConf.set_struct(cfg, True)
    return cfg


def test_an_override_through_an_alias_reaches_the_definition() -> None:
    cfg = shared()
    OmegaConf.update(cfg, "trainer.factory.lr", 7)
    assert cfg.optimizer.lr == 7
    assert fg.from_omegaconf(cfg).optimizer.kwargs == {"lr": 7}


def test_a_key_added_through_an_alias_reaches_the_definition() -> None:
    cfg = shared()
    OmegaConf.update(cfg, "trainer.factory.wd", 1, force_add=True)
    graph = fg.from_omegaconf(cfg)
    assert graph.trainer.kwargs["factory"] is graph.optimizer
    assert graph.optimizer.kwargs == {"lr": 1, "wd": 1}


def test_an_override_of_an_anchored_scalar_reaches_all_its_users() -> None:
    cfg = fg.to_omegaconf(parse("lr: &lr 1\na: {b: *lr}\n"))
    cfg.lr = 5
    assert fg.materialize(fg.from_omegaconf(cfg)) == {"lr": 5, "a": {"b": 5}}


def test_an_overridden_type_stays_importable() -> None:
    cfg = fg.to_omegaconf(parse("o: !call:collections:OrderedDict {x: 1}\n"))
    cfg.o._target_ = "builtins.dict"
    assert type(fg.materialize(fg.from_omegaconf(cfg))["o"]) is dict


def test_plain_instantiate_works_on_plain_nodes() -> None:
    cfg = fg.to_omegaconf(
        parse(
            "d: !call:collections:OrderedDict {x: !call:fractions:Fraction [1, 2]}\n"
            "p: !partial:int {base: 2}\n"
        )
    )
    built = instantiate(cfg)
    assert built.d["x"] == fg.materialize(parse("!call:fractions:Fraction [1, 2]"))
    assert built.p("101") == 5


def test_a_shared_hand_written_hydra_node_becomes_one_object() -> None:
    cfg = OmegaConf.create({"a": {"_target_": "builtins.object"}, "b": ["${a}", "${a}"]})
    built = fg.materialize(fg.from_omegaconf(cfg))
    assert built["b"][0] is built["b"][1] is built["a"]


def test_a_missing_value_says_how_to_set_it() -> None:
    with pytest.raises(ForgatherError, match=r"data\.path=") as caught:
        fg.from_omegaconf(OmegaConf.create({"data": {"path": "???"}}))
    assert (caught.value.kind, caught.value.path) == ("missing_value", "data.path")


def test_hydras_reserved_words_cannot_be_arguments() -> None:
    with pytest.raises(ForgatherError, match="_convert_"):
        fg.to_omegaconf(parse("a: !call:dict {_convert_: 1}\n"))


def test_what_two_documents_hoist_stays_hidden_when_they_are_merged() -> None:
    texts = [
        ".define: &a !call:object []\nx: [*a, *a]\n",
        ".define: &b !call:object []\ny: [*b, *b]\n",
    ]
    merged = OmegaConf.merge(*(fg.to_omegaconf(parse(text)) for text in texts))
    assert fg.targets(fg.from_omegaconf(merged)) == ["x", "y"]
