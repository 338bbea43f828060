"""Random graphs, and descriptions of what they construct that show which objects are one."""

from __future__ import annotations

import random
from typing import Any

import graph_probe

from forgather_hydra.graph.nodes import (
    MISSING,
    Call,
    DList,
    Element,
    Mapping,
    Sequence,
    Shared,
    Tuple,
    Var,
)

SCALARS = (
    None,
    True,
    1,
    -2,
    0.5,
    1e-5,
    float("inf"),
    "x",
    "a b",
    "",
    "yes",
    "{{ x }}",
    "a\n b\nc\n",
)
SPECS = (
    "graph_probe:Probe",
    "graph_probe:Probe.make",
    "graph_probe.Probe",
    "graph_probe:eager",
    "graph_probe:nothing",
)
KEYWORDS = ("a", "b", "a-b", "class", "args", "kwargs", "arg1")
VARIABLES = ("v", "w", "args", "kwargs", "Probe", "partial", "float", "odd-name", "class")
LABELS = (
    "Probe",
    "partial",
    "cache",
    "eager",
    "args",
    "kwargs",
    "float",
    "construct",
    "v",
    "odd label",
)


class GraphMaker:
    """Makes a graph from the bottom up, so that what exists can be shared."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pool: list[Element] = []
        self.labels = list(LABELS)

    def graph(self, size: int) -> Mapping:
        for _ in range(size):
            kinds = (
                [self.call] * 6
                + [self.collection] * 3
                + [self.variable, self.shared, self.operation]
            )
            element = self.rng.choice(kinds)()
            self.label(element)
            self.pool.append(element)
        chosen = self.rng.sample(self.pool, min(size, self.rng.randint(1, 4)))
        return Mapping({f"k{i}": element for i, element in enumerate(chosen)})

    def value(self) -> Any:
        if self.pool and self.rng.random() < 0.6:
            return self.rng.choice(self.pool[-6:])
        return self.rng.choice(SCALARS)

    def values(self) -> list[Any]:
        return [self.value() for _ in range(self.rng.randint(0, 3))]

    def entries(self, keys: tuple[Any, ...]) -> dict[Any, Any]:
        return {key: self.value() for key in self.rng.sample(keys, self.rng.randint(0, 2))}

    def call(self) -> Call:
        kind = self.rng.choice(("singleton", "singleton", "factory", "partial"))
        latent = Mapping(self.entries(("a", "z"))) if self.rng.random() < 0.1 else None
        spec = self.rng.choice(SPECS)
        return Call(kind, spec, self.values(), self.entries(KEYWORDS), latent_args=latent)

    def operation(self) -> Call:
        kind = self.rng.choice(("singleton", "factory", "partial"))
        source = Mapping({"q": self.value()})
        return self.rng.choice(
            (
                Call(kind, "dict", [], self.entries(KEYWORDS)),
                Call(kind, "getitem", [source, "q"]),
                Call(kind, self.rng.choice(("keys", "values", "items")), [source]),
                Call(kind, "call", [Call("partial", SPECS[0], self.values()), *self.values()]),
            )
        )

    def collection(self) -> Element:
        made: tuple[Element, ...] = (
            Sequence(self.values()),
            Tuple(self.values()),
            Mapping(self.entries(("a", "x y", 1, 2.5, None))),
            DList(self.entries(("a", "b"))),
        )
        return self.rng.choice(made)

    def variable(self) -> Var:
        return Var(self.rng.choice(VARIABLES), self.rng.choice((MISSING, *self.values(), 3)))

    def shared(self) -> Shared:
        return Shared(self.rng.choice(SCALARS))

    def label(self, element: Element) -> None:
        if isinstance(element, Shared):
            element._label_ = f"scalar-{len(self.pool)}"
        elif self.rng.random() < 0.4:
            chosen = self.rng.choice(self.labels)
            if " " not in chosen or isinstance(element, Call):
                self.labels.remove(chosen)
                self.labels.append(f"{chosen}{len(self.pool)}")
                element._label_ = chosen


class Description:
    """Describes a result, calling the callables in it; an object met again is named by number."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.kept: list[Any] = []
        self.calls_left = 40

    def of(self, value: Any, depth: int = 0) -> Any:
        if value is None or isinstance(value, (bool, int, float, str)):
            return type(value).__name__, repr(value)
        if isinstance(value, (tuple, type({}.keys()), type({}.values()), type({}.items()))):
            return [self.of(item, depth) for item in value]
        if callable(value):
            return "callable", [self.of_call(value, depth) for _ in range(2)]
        if id(value) in self.numbers:
            return "same", self.numbers[id(value)]
        self.numbers[id(value)] = len(self.numbers)
        self.kept.append(value)
        if isinstance(value, list):
            return "list", [self.of(item, depth) for item in value]
        if isinstance(value, dict):
            return "dict", [(repr(key), self.of(item, depth)) for key, item in value.items()]
        assert isinstance(value, graph_probe.Probe)
        return "probe", value.order, self.of(value.args, depth), self.of(value.kwargs, depth)

    def of_call(self, function: Any, depth: int) -> Any:
        self.calls_left -= 1
        if self.calls_left < 0 or depth > 4:
            return "not called"
        try:
            return self.of(function(), depth + 1)
        except (TypeError, KeyError) as error:
            return "failed", isinstance(error, TypeError)
