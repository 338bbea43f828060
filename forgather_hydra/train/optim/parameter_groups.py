"""Optimizer settings, or optimizers, by the names of the parameters they are for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from forgather_hydra.train.optim.multi_optimizer import MultiOptimizer

Rule = dict[str, Any]


def grouped(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]],
    optimizer: Callable[..., Optimizer],
    rules: Sequence[Rule],
) -> Optimizer:
    """`optimizer` with settings that depend on the parameter.

    Args:
        named_parameters: `(name, parameter)` pairs.
        optimizer: takes parameter groups.
        rules: the first that fits a parameter decides. Each has `pattern`, a regular expression
            found anywhere in the name; perhaps `ndim`, a number of dimensions; and settings of the
            group, for example `{"pattern": "norm|bias", "weight_decay": 0.0}`.

    Raises:
        ValueError: if no rule fits a parameter.
    """
    groups = []
    for rule, pairs in zip(rules, assign(named_parameters, rules), strict=True):
        if pairs:
            settings = {key: v for key, v in rule.items() if key not in ("pattern", "ndim")}
            groups.append({"params": pairs, **settings})
    return optimizer(groups)


def multiple(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]], rules: Sequence[Rule]
) -> Optimizer:
    """Different optimizers for different parameters, as one.

    Args:
        named_parameters: `(name, parameter)` pairs.
        rules: as for `grouped`, with `optimizer`, a callable that takes `(name, parameter)` pairs,
            instead of settings.

    Raises:
        ValueError: if no rule fits a parameter.
    """
    shares = zip(rules, assign(named_parameters, rules), strict=True)
    return MultiOptimizer(rule["optimizer"](pairs) for rule, pairs in shares if pairs)


def assign(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]], rules: Sequence[Rule]
) -> list[list[tuple[str, torch.nn.Parameter]]]:
    """The parameters that each rule is the first to fit."""
    shares: list[list[tuple[str, torch.nn.Parameter]]] = [[] for _ in rules]
    orphans: list[tuple[str, torch.nn.Parameter]] = []
    for name, parameter in named_parameters:
        fitting = (i for i, rule in enumerate(rules) if _fits(rule, name, parameter))
        index = next(fitting, None)
        (orphans if index is None else shares[index]).append((name, parameter))
    if orphans:
        names = ", ".join(f"{name} ({p.ndim}-dimensional)" for name, p in orphans)
        raise ValueError(
            f"no rule fits the parameters {names}: end the rules with one of pattern '.' for "
            "everything else"
        )
    return shares


def _fits(rule: Rule, name: str, parameter: torch.nn.Parameter) -> bool:
    return rule.get("ndim") in (None, parameter.ndim) and bool(re.search(rule["pattern"], name))
