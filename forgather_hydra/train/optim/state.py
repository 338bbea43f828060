"""State of an optimizer by parameter name, so that it can be put together in other ways."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple, Protocol

import torch

Place = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

SEPARATOR = "/"
CONFIGURED = "configured"


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


def named_state(
    optimizer: torch.optim.Optimizer, model: Named, configured: Sequence[dict[str, Any]] = ()
) -> NamedState:
    """The state of `optimizer`, whose parameters are those of `model`; tensors are not copied.

    Args:
        configured: the `configured_settings` with which it was made.
    """
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
    for group, settings in zip(described, configured, strict=False):
        group[CONFIGURED] = settings
    return NamedState(tensors, {**state, "groups": described, "state": others})


def configured_settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """The settings of each parameter group now, for a later comparison."""
    names = ("params", "param_names", "lr")
    return [
        {key: copy.deepcopy(value) for key, value in group.items() if key not in names}
        for group in optimizer.param_groups
    ]


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
    owns: Callable[[torch.Tensor], bool],
    configured: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Gives `optimizer` the state of its parameters and the settings of their groups.

    Only the names count: the saved state may be that of more parameters, in other groups and in
    another order. A group that was added after the optimizer had been made is added again.

    Args:
        saved: as `named_state` made it; any mapping serves for its tensors.
        aliases: other names of tied parameters -> the name under which they were saved.
        place: `(tensor, parameter) -> tensor`, the shard of it that this process has.
        owns: `(parameter) -> bool`, whether this process needs the state of a parameter at all.
        configured: the settings with which it was made now; those that are others than when the
            saved optimizer was made take effect.

    Returns:
        The settings that have changed, with their present values.

    Raises:
        ValueError: if a parameter has no saved state, or the parameters of a group were in groups
            of different settings, or of another optimizer.
    """
    by_name = {name: group for group in saved.values["groups"] for name in group["params"]}
    _add_later_groups(optimizer, model, saved.values["groups"])
    changed: dict[str, Any] = {}
    keys = _keys_by_parameter(saved.tensors)
    groups: list[dict[str, Any]] = []
    state: dict[int, dict[str, Any]] = {}
    first = 0
    groups_now = zip(optimizer.param_groups, _names(optimizer, model), strict=True)
    for (group, names), now in zip(groups_now, chain(configured, repeat({})), strict=False):
        sources = [name if name in by_name else aliases.get(name, name) for name in names]
        named = {"param_names": names} if "param_names" in group else {}
        numbers = range(first, first + len(names))
        settings, others = _settings(sources, by_name, now)
        changed |= others
        _check_optimizer(group, settings)
        groups.append({**settings, **named, "params": list(numbers)})
        for number, source, parameter in zip(numbers, sources, group["params"], strict=True):
            if not owns(parameter):
                continue
            values = dict(saved.values["state"].get(source, {}))
            present = optimizer.state.get(parameter, {})
            for key in keys.get(source, ()):
                value = place(saved.tensors[f"{source}{SEPARATOR}{key}"], parameter)
                values[key] = _in_memory(value, present.get(key)) if parameter.is_cpu else value
            if values:
                state[number] = values
        first += len(names)
    rest = {key: value for key, value in saved.values.items() if key not in ("groups", "state")}
    optimizer.load_state_dict({**rest, "state": state, "param_groups": groups})
    _keep_types(optimizer, state)
    return changed


def _in_memory(value: torch.Tensor, present: Any) -> torch.Tensor:
    """`value` as no view of the file, which rotation is to free: in the memory of the tensor that
    is there already if it is like it, for new memory costs more than the copy.
    """
    if isinstance(present, torch.Tensor) and _is_like(present, value):
        return present.copy_(value)
    return value.clone()


def _is_like(one: torch.Tensor, other: torch.Tensor) -> bool:
    return (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device)


def _add_later_groups(
    optimizer: torch.optim.Optimizer, model: Named, saved: Sequence[dict[str, Any]]
) -> None:
    """Adds the groups without configured settings, which a callback had added to the optimizer."""
    if not any(CONFIGURED in group for group in saved):
        return  # nobody knows which are later ones
    parameters = dict(model.named_parameters())
    held = set(chain.from_iterable(_names(optimizer, model)))
    for group in saved:
        names = [name for name in group["params"] if name in parameters and name not in held]
        if names and CONFIGURED not in group:
            for name in names:
                parameters[name].requires_grad_()
            settings = {k: v for k, v in group.items() if k not in ("params", "param_names")}
            optimizer.add_param_group({**settings, "params": [parameters[n] for n in names]})


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


def _settings(
    names: list[str], by_name: dict[str, dict[str, Any]], now: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that these parameters had together, with those of `now` that are others than the
    configured ones were; and these alone.
    """
    if missing := [name for name in names if name not in by_name]:
        raise ValueError(
            f"the checkpoint has no optimizer state for {', '.join(missing[:5])}: resume with the "
            "model and the optimizer that it was written by"
        )
    settings: list[dict[str, Any]] = []
    changed: dict[str, Any] = {}
    for name in names:
        group = by_name[name]
        before = group.get(CONFIGURED, {})
        others = {k: v for k, v in now.items() if k in before and not _same(before[k], v)}
        kept = {k: v for k, v in group.items() if k not in ("params", "param_names", CONFIGURED)}
        settings.append(kept | others)
        changed |= others
    for name, other in zip(names, settings, strict=True):
        if other != settings[0]:
            raise ValueError(
                f"parameters {names[0]} and {name} share a parameter group and had different "
                "settings when the checkpoint was written: resume with the same groups"
            )
    return (settings[0] if settings else {}), changed


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return bool(torch.as_tensor(one).cpu().equal(torch.as_tensor(other).cpu()))
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return list(one) == list(other)
    return bool(one == other)


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
