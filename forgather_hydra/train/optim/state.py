"""State of an optimizer by parameter name, so that it can be put together in other ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple, Protocol

import torch

Place = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

SEPARATOR = "/"


class Named(Protocol):
    """A model, or what else knows the names of its parameters."""

    def named_parameters(self) -> Iterable[tuple[str, torch.nn.Parameter]]: ...


class NamedState(NamedTuple):
    """State of an optimizer, of all of a model's parameters or of some of them.

    Attributes:
        tensors: `"<parameter name>/<key>"` -> tensor, for example `"head.weight/exp_avg"`.
        values: everything else: `groups`, the parameter groups with names in `params`; `state`,
            parameter name -> key -> value for what is no tensor; and whatever else the optimizer
            has in its state dictionary.
    """

    tensors: Mapping[str, torch.Tensor]
    values: dict[str, Any]


def named_state(optimizer: torch.optim.Optimizer, model: Named) -> NamedState:
    """The state of `optimizer`, whose parameters are those of `model`; tensors are not copied."""
    state = optimizer.state_dict()
    by_group, groups = _names(optimizer, model), state.pop("param_groups")
    names = list(chain.from_iterable(by_group))
    numbers = list(chain.from_iterable(group["params"] for group in groups))
    tensors: dict[str, torch.Tensor] = {}
    others: dict[str, dict[str, Any]] = {}
    states = state.pop("state")
    for name, number in zip(names, numbers, strict=True):
        for key, value in states.get(number, {}).items():
            if isinstance(value, torch.Tensor):
                tensors[f"{name}{SEPARATOR}{key}"] = value
            else:
                others.setdefault(name, {})[key] = value
    described = [{**group, "params": names} for group, names in zip(groups, by_group, strict=True)]
    return NamedState(tensors, {**state, "groups": described, "state": others})


def merge_values(shares: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The `values` of the whole optimizer from those of every process."""
    merged, *others = shares
    merged = {**merged, "groups": list(merged["groups"]), "state": dict(merged["state"])}
    for other in others:
        merged["groups"] += [group for group in other["groups"] if group not in merged["groups"]]
        merged["state"] |= other["state"]
    return merged


def load_named_state(
    optimizer: torch.optim.Optimizer,
    model: Named,
    saved: NamedState,
    aliases: Mapping[str, str],
    place: Place,
    holds: Callable[[torch.Tensor], bool],
) -> None:
    """Gives `optimizer` the state of its parameters and the settings of their groups.

    Only the names count: the saved state may be that of more parameters, in other groups and in
    another order.

    Args:
        saved: as `named_state` made it; any mapping serves for its tensors.
        aliases: other names of tied parameters -> the name under which they were saved.
        place: `(tensor, parameter) -> tensor`, the part of it that this process holds.
        holds: `(parameter) -> bool`, whether this process needs the state of a parameter at all.

    Raises:
        ValueError: if a parameter has no saved state, or the parameters of a group were in groups
            of different settings, or of another optimizer.
    """
    by_name = {name: group for group in saved.values["groups"] for name in group["params"]}
    keys = _keys_by_parameter(saved.tensors)
    groups: list[dict[str, Any]] = []
    state: dict[int, dict[str, Any]] = {}
    first = 0
    for group, names in zip(optimizer.param_groups, _names(optimizer, model), strict=True):
        sources = [name if name in by_name else aliases.get(name, name) for name in names]
        named = {"param_names": names} if "param_names" in group else {}
        numbers = range(first, first + len(names))
        settings = _settings(sources, by_name)
        _check_optimizer(group, settings)
        groups.append({**settings, **named, "params": list(numbers)})
        for number, source, parameter in zip(numbers, sources, group["params"], strict=True):
            if not holds(parameter):
                continue
            values = dict(saved.values["state"].get(source, {}))
            for key in keys.get(source, ()):
                value = place(saved.tensors[f"{source}{SEPARATOR}{key}"], parameter)
                # Not a view of the file, which rotation is to free.
                values[key] = value.clone() if parameter.is_cpu else value
            if values:
                state[number] = values
        first += len(names)
    rest = {key: value for key, value in saved.values.items() if key not in ("groups", "state")}
    optimizer.load_state_dict({**rest, "state": state, "param_groups": groups})
    _keep_types(optimizer, state)


def _names(optimizer: torch.optim.Optimizer, model: Named) -> list[list[str]]:
    """Names of the parameters of each group."""
    name_of = {parameter: name for name, parameter in model.named_parameters()}
    return [[name_of[p] for p in group["params"]] for group in optimizer.param_groups]


def _keys_by_parameter(full_names: Iterable[str]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for full_name in full_names:
        name, _, key = full_name.rpartition(SEPARATOR)
        keys.setdefault(name, []).append(key)
    return keys


def _settings(names: list[str], by_name: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The settings that these parameters had together."""
    if missing := [name for name in names if name not in by_name]:
        raise ValueError(
            f"the checkpoint has no optimizer state for {', '.join(missing[:5])}: resume with the "
            "model and the optimizer that it was written by"
        )
    settings = [
        {k: v for k, v in by_name[name].items() if k not in ("params", "param_names")}
        for name in names
    ]
    for name, other in zip(names, settings, strict=True):
        if other != settings[0]:
            raise ValueError(
                f"parameters {names[0]} and {name} share a parameter group and had different "
                "settings when the checkpoint was written: resume with the same groups"
            )
    return settings[0] if settings else {}


def _check_optimizer(group: dict[str, Any], saved: dict[str, Any]) -> None:
    names = ("params", "param_names")
    if missing := [key for key in group if key not in saved and key not in names]:
        raise ValueError(
            f"the checkpoint is of another optimizer, which has no {', '.join(missing)}: resume "
            "with the one that it was written by, or begin another run"
        )


def _keep_types(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Any]]) -> None:
    """Undoes what `load_state_dict` does to tensors of another type than their parameter's."""
    parameters = list(chain.from_iterable(group["params"] for group in optimizer.param_groups))
    for number, values in state.items():
        loaded = optimizer.state[parameters[number]]
        for key, value in values.items():
            if isinstance(value, torch.Tensor) and loaded[key].dtype != value.dtype:
                loaded[key] = value.to(loaded[key].device)
