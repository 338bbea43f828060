"""What a configuration may import: a block-list for overrides, an allow-list for all of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.targets import from_target, to_target
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.imports import split_spec
from forgather_hydra.graph.nodes import Call, origin_of
from forgather_hydra.graph.walk import path_text, with_paths

OURS = ("forgather_hydra.graph.operations",)


def check_policy(graph: Any, allowed: list[str] | None, overrides: Iterable[str]) -> None:
    """Check what a graph would import, before any of it is imported.

    Args:
        graph: the graph of a job.
        allowed: the value of ``forgather.allow_targets``: prefixes such as ``torch`` or
            ``my_package.models``; None allows everything.
        overrides: the overrides of the job; a target that stands in one of them must not be on
            Hydra's own block-list.

    Raises:
        ForgatherError: ``security``, with the first target that is refused.
    """
    for target in targets_in(overrides):
        _refuse_blocked(target)
    if allowed is not None:
        prefixes = (*allowed, *OURS)
        for path, element in with_paths(graph):
            if isinstance(element, Call) and not is_allowed(element.spec, prefixes):
                raise ForgatherError(
                    "security",
                    f"{element.spec} is not among the allowed targets",
                    path=path_text(path),
                    hint=f"forgather.allow_targets allows {', '.join(allowed) or 'nothing'}",
                ).locate(origin_of(element))


def allowed_targets(cfg: DictConfig) -> list[str] | None:
    """The value of ``forgather.allow_targets``."""
    allowed = OmegaConf.select(cfg, "forgather.allow_targets")
    return None if allowed is None else [str(prefix) for prefix in allowed]


def is_allowed(spec: str, prefixes: Iterable[str]) -> bool:
    """Whether an import spec lies below one of the prefixes.

    Builtins are below ``builtins``; a file is compared by its absolute path, and a module relative
    to generated code, which is copied from folders of the user's own choice, is allowed.
    """
    parts = split_spec(spec)
    if parts.is_relative:
        return True
    if parts.is_file:
        file = os.path.abspath(parts.module or "")
        return any(file.startswith(os.path.join(p, "")) for p in prefixes if os.path.isabs(p))
    target = to_target("singleton", spec)
    return any(target == p or target.startswith(f"{p}.") for p in prefixes)


def targets_in(overrides: Iterable[str]) -> Iterator[str]:
    """Every ``_target_`` that overrides give, also within mappings and lists."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if not override.is_delete():
            yield from _targets(override.key_or_group.rpartition(".")[2], override.value())


def _targets(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _targets(str(name), item)
    elif isinstance(value, list):
        for item in value:
            yield from _targets("", item)
    elif key == "_target_" and isinstance(value, str):
        yield value


def _refuse_blocked(target: str) -> None:
    spec = from_target(target)[1]
    parts = split_spec(spec)
    if parts.is_file or parts.is_relative:
        return
    try:
        # A partial of a target is authorised like the target, and calls nothing.
        instantiate({"_target_": to_target("singleton", spec), "_partial_": True})
    except HydraException as error:
        if "blocklist" in str(error):
            raise ForgatherError(
                "security",
                f"an override must not set the target {target}: Hydra's block-list has it",
                hint="write it in a template, which is code that you trust, if you mean it",
            ) from error
