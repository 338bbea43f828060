"""What a configuration may import: a block-list for overrides, an allow-list for all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.fence import refusal
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.config.targets import from_target, to_target
from forgather_hydra.config.trusted import TRUSTED
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.imports import split_spec
from forgather_hydra.graph.nodes import Call, origin_of
from forgather_hydra.graph.walk import path_text, with_paths
from forgather_hydra.graph.words import Kind

OURS = ("forgather_hydra.graph.operations",)


def check_policy(graph: Any, allowed: list[str] | None, overrides: Iterable[str]) -> None:
    """Check what a graph would import; what does not have an allowed name is not imported for it.

    Args:
        graph: the graph of a job.
        allowed: the value of ``forgather.allow_targets``: prefixes such as ``torch`` or
            ``my_package.models``; None allows everything.
        overrides: the overrides of the job; a target that stands in one of them must not be on
            Hydra's own block-list.

    Raises:
        ForgatherError: ``security``, with the first target that is refused.
    """
    if allowed is not None:
        prefixes = (*allowed, *OURS)
        for path, element in with_paths(graph):
            why = refusal(element, prefixes) if isinstance(element, Call) else None
            if why is not None:
                raise ForgatherError(
                    "security",
                    f"{element.spec} {why} is not among the allowed targets".replace("  ", " "),
                    path=path_text(path),
                    hint=f"forgather.allow_targets allows {', '.join(allowed) or 'nothing'}",
                ).locate(origin_of(element))
    given = [*targets_in(overrides)]
    for target in given:
        if "${" not in target:
            _refuse_blocked(from_target(target)[1])
    if any("${" in target for target in given):  # it is known by what it gives alone
        for _, element in with_paths(graph):
            if isinstance(element, Call):
                _refuse_blocked(element.spec)


def allowed_targets(cfg: DictConfig) -> list[str] | None:
    """The value of ``forgather.allow_targets``; ``trusted`` stands for a list of ours."""
    allowed = OmegaConf.select(cfg, "forgather.allow_targets")
    if allowed is None:
        return None
    if allowed == "trusted":
        return list(TRUSTED)
    return [allowed] if isinstance(allowed, str) else [str(prefix) for prefix in allowed]


def targets_in(overrides: Iterable[str]) -> Iterator[str]:
    """Every ``_target_`` that overrides give, also within mappings and lists."""
    for override in parsed_overrides(overrides):
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


def _refuse_blocked(spec: str) -> None:
    parts = split_spec(spec)
    if parts.is_file or parts.is_relative:
        return
    try:
        # A partial of a target is authorised like the target, and calls nothing.
        instantiate({"_target_": to_target(Kind.SINGLETON, spec), "_partial_": True})
    except HydraException as error:
        if "blocklist" in str(error):
            raise ForgatherError(
                "security",
                f"an override must not set the target {spec}: Hydra's block-list has it",
                hint="write it in a template, which is code that you trust, if you mean it",
            ) from error
