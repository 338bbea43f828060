"""The sweeper and the launcher of our command line, where nothing chooses others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig

from forgather_hydra.config.given import hydra_overrides, key_of
from forgather_hydra.config.settle import FAILURES

# By the override that chooses a plugin: its group.
OWN_OVERRIDES = {
    "hydra/sweeper='forgather'": "hydra/sweeper",
    "hydra/launcher='forgather_local'": "hydra/launcher",
}
Choices = Callable[[list[str]], dict[str, Any]]
"""What some overrides choose, by config group."""


def with_own_plugins(overrides: list[str], choices: Choices) -> list[str]:
    """The overrides, with our sweeper and launcher where nothing has chosen others.

    In the primary config they would win over what the config of a sweep chooses. They are quoted,
    by which they differ from what was typed: an experiment of a sweep may choose others.
    """
    try:
        chosen = choices(overrides)
    except (
        *FAILURES,
        ValueError,
        TypeError,
        RecursionError,
        AssertionError,
    ):  # reported when the configuration is composed
        return overrides
    given = {*map(key_of, overrides)}
    ours = [
        own
        for own, group in OWN_OVERRIDES.items()
        if group not in given and chosen.get(group) == "basic"
    ]
    return [*overrides, *ours]


def with_plugins_of_job(sweep: DictConfig, overrides: list[str], choices: Choices) -> DictConfig:
    """The configuration of a sweep as one of its jobs sees it.

    Args:
        sweep: for which plugins have been chosen.
        overrides: those of the job, which may choose plugins itself.
        choices: as for `with_own_plugins`.
    """
    before = hydra_overrides(sweep.hydra)
    typed = [override for override in before if override not in OWN_OVERRIDES]
    both = with_own_plugins([*typed, *overrides], choices)
    after = [*typed, *both[len(typed) + len(overrides) :]]
    if after == before:
        return sweep
    changed = sweep.copy()
    changed.hydra.overrides.hydra = after
    return changed
