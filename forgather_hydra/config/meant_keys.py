"""The keys that an override of an unknown key probably meant."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, ListConfig, OmegaConf

from forgather_hydra.config.synonyms import synonyms
from forgather_hydra.errors import ForgatherError, nearest
from forgather_hydra.graph.imports import resolve

_MAX_NAMES = 2
_WORD = 4  # letters of a word that tells something
SIMILAR = 0.8  # words that are this much alike are hardly meant to differ


def meant_keys(key: str, definition: str, cfg: DictConfig) -> list[str]:
    """The keys that were probably meant by one that there is not.

    Args:
        key: as it was written.
        definition: where it arrives once references are followed.
        cfg: the configuration without it.

    Returns:
        The key itself, if the target at its place takes it and the configuration does not say it.
    """
    parent = definition.rpartition(".")[0]
    names = _arguments(parent, definition, cfg)
    return names or [name for name in _candidates(key, definition, cfg) if name != parent]


def _arguments(parent: str, path: str, cfg: DictConfig) -> list[str]:
    """The argument that was meant, of the call at a place, or a key by another name for it."""
    name = path.rpartition(".")[2]
    taken = _taken_at(parent, cfg)
    if name in taken:
        return [path]
    others = {name, *synonyms(name)} if synonyms(name) else set()
    same = [f"{parent}.{each}" for each in taken if each in others]
    elsewhere = [key for key in _known_keys(cfg) if key.rpartition(".")[2] in others]
    here = [key for key in elsewhere if key.rpartition(".")[0] == parent]
    same += here or elsewhere
    return list(dict.fromkeys(same))[:_MAX_NAMES] or [
        f"{parent}.{each}" for each in _alike(name, taken)
    ]


def advice_on(definition: str, cfg: DictConfig) -> str | None:
    """What the target at the place of a key says of it, if it knows that from another program."""
    parent, _, name = definition.rpartition(".")
    if _is_no_text(parent, name, cfg):
        return _in_braces(parent, name)
    known = getattr(_target_at(parent, cfg), "instead_of_argument", None)
    return known(name) if known else None


def twin_of_number(overrides: Iterable[Override], cfg: DictConfig) -> ForgatherError | None:
    """The error for a key that was added as a text where the configuration has it as a number."""
    for override in overrides:
        parent, _, name = override.key_or_group.rpartition(".")
        adds = override.is_add() or override.is_force_add()
        if adds and _is_no_text(parent, name, cfg):
            message = f"{override.input_line}: {parent} has {name} as a number, and this is a text"
            return ForgatherError("bad_override", message, hint=_in_braces(parent, name))
    return None


def _is_no_text(parent: str, name: str, cfg: DictConfig) -> bool:
    place: Any = place_in(cfg, parent) if parent else cfg
    return isinstance(place, DictConfig) and any(
        str(key) == name and not isinstance(key, str) for key in place
    )


def _in_braces(parent: str, name: str) -> str:
    return f"what stands between dots is a text, and a number in braces: {parent}={{{name}:VALUE}}"


def _target_at(parent: str, cfg: DictConfig) -> Any:
    call: Any = place_in(cfg, parent) if parent else None
    target = call.get("_target_") if isinstance(call, DictConfig) else None
    try:
        return resolve(target) if target else None
    except (ForgatherError, TypeError):
        return None


def _taken_at(parent: str, cfg: DictConfig) -> list[str]:
    """The names of the arguments that the target at a place takes."""
    try:
        found = inspect.signature(_target_at(parent, cfg)).parameters
    except (TypeError, ValueError):  # there is none, or a builtin without a signature
        return []
    return [each for each in found if each not in ("self", "args", "kwargs")]


def place_in(cfg: DictConfig, path: str) -> Any:
    """What stands at a path, if that can be told before the job has begun."""
    return OmegaConf.select(cfg, path, throw_on_missing=False, throw_on_resolution_failure=False)


def _candidates(key: str, definition: str, cfg: DictConfig) -> list[str]:
    """At most two keys that were probably meant: those with the same ending, then near names."""
    known = list(_known_keys(cfg))
    same_ending = [name for name in known if name.endswith(f".{key}")]
    siblings = _siblings(cfg, key, definition)
    if same_ending or siblings:
        return list(dict.fromkeys([*same_ending, *siblings]))[:_MAX_NAMES]
    last = key.rpartition(".")[2]
    same_name = [name for name in known if name.rpartition(".")[2] == last]
    return list(dict.fromkeys([*same_name, *nearest(key, known)]))[:_MAX_NAMES]


def _siblings(cfg: DictConfig, key: str, definition: str) -> list[str]:
    """Keys that differ from `key` in the first step that does not exist."""
    place: Any = cfg
    steps = definition.split(".")
    while isinstance(place, DictConfig) and not place._is_interpolation() and steps[0] in place:
        place = place._get_node(steps.pop(0))
        if not steps:
            return []
    if not isinstance(place, DictConfig) or place._is_interpolation():
        return []
    names = [str(name) for name in place]
    missing, *rest = steps
    as_written = key.split(".")[: -len(steps)]
    close = _alike(missing, names) or [name for name in names if name.startswith(missing)]
    close = [name for name in close if not rest or _leads_on(place, name, rest)] or close
    return [".".join([*as_written, name, *rest]) for name in close]


def _alike(name: str, known: list[str]) -> list[str]:
    """Names that are nearly the same, or that have a word in common, the nearest first."""
    words = {word for word in name.split("_") if len(word) >= _WORD}
    sharing = [each for each in known if words & {*each.split("_")}]
    almost = get_close_matches(name, known, 1, SIMILAR)
    return [*almost, *(each for each in nearest(name, sharing, 1) or sharing[:1] if not almost)]


def _leads_on(place: DictConfig, name: str, rest: list[str]) -> bool:
    return place_in(place, ".".join([name, *rest])) is not None


def _known_keys(node: Any, prefix: str = "") -> Iterator[str]:
    """Every key of the configuration as an override names it; references are not entered."""
    if not isinstance(node, (DictConfig, ListConfig)) or node._is_interpolation():
        return
    items: Any = node.items_ex(resolve=False) if isinstance(node, DictConfig) else ()
    for name, child in items:
        path = f"{prefix}{name}"
        if path not in ("hydra", "vars", "forgather", "preflight") and not str(name).startswith(
            "_"
        ):
            yield path
            yield from _known_keys(child, f"{path}.")
