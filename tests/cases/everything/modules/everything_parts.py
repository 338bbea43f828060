"""What the configuration of everything constructs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Layer:
    """A layer; `build` makes its parts."""

    size: int
    activation: Any = None
    bias: bool = True
    parts: list[Any] = field(default_factory=list)

    @classmethod
    def wide(cls, size: int) -> Layer:
        return cls(size * 4)


@dataclass
class Stack:
    layers: list[Layer]
    norm: Any = None


@dataclass
class Optimizer:
    params: list[Any]
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)
    decay: float = 0.0


class Namespace:
    """Holds names that are reached with dots."""

    class Inner:
        @staticmethod
        def join(*names: str) -> str:
            return "/".join(names)


def stack(layer_factory: Any, count: int, norm: Any = None) -> Stack:
    return Stack([layer_factory() for _ in range(count)], norm)


def collect(*args: Any, **kwargs: Any) -> list[Any]:
    return [list(args), kwargs]


def kind_of(node: Any) -> str:
    return str(node.spec)


def nothing(*_: Any) -> None:
    return None


def square(value: float) -> float:
    return value * value
