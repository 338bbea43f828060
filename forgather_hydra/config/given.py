"""What Hydra's section of a configuration says, told as it was meant: overrides, directories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.content import content


def task_overrides(hydra: DictConfig) -> list[str]:
    """The overrides of a job, as they were typed.

    Hydra keeps them as text in a list of its own, where an interpolation among them means nothing.

    Args:
        hydra: the section ``hydra`` of a configuration, as composed or as saved with a run.
    """
    return _typed(hydra, "task")


def hydra_overrides(hydra: DictConfig) -> list[str]:
    """The overrides of Hydra's own section, as they were typed."""
    return _typed(hydra, "hydra")


def _typed(hydra: DictConfig, kind: str) -> list[str]:
    return [str(override) for override in content(hydra.overrides[kind])]


def key_of(override: str) -> str:
    """The key, or the config group, of an override as it was typed."""
    return override.partition("=")[0].lstrip("+~")


def undone(overrides: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Overrides that a later one deletes, each with that one."""
    for place, override in enumerate(overrides):
        if not override.startswith("~"):
            continue
        gone = f"{key_of(override)}."
        for earlier in overrides[:place]:
            if f"{key_of(earlier)}.".startswith(gone) and not earlier.startswith("~"):
                yield earlier, override


def directory_of(config: DictConfig, *keys: str) -> Path:
    """The directory that the values of some keys name together, such as ``hydra.run.dir``."""
    with hydra_config(config):
        return Path(*(str(OmegaConf.select(config, key)) for key in keys))


@contextmanager
def hydra_config(config: DictConfig) -> Iterator[None]:
    """While this is open, ``${hydra:...}`` reads a configuration.

    Args:
        config: the configuration, or its section ``hydra`` as a root of its own.
    """
    before = HydraConfig.instance().cfg
    HydraConfig.instance().cfg = config  # type: ignore[assignment]
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
