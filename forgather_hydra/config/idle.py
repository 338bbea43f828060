"""Overrides without effect: a later one deletes the key, or Hydra sets it, or has no such key."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

from hydra.conf import HydraConf, JobConf
from omegaconf import MISSING, DictConfig, OmegaConf

from forgather_hydra.config.given import hydra_overrides, key_of, task_overrides, undone
from forgather_hydra.errors import did_you_mean, warn
from forgather_hydra.template.source_map import Origin

# What Hydra sets after the overrides, with what to write instead.
_SET_BY_HYDRA = {
    "hydra.job.config_name": "--config-name chooses the primary config",
    "hydra.runtime.output_dir": "write hydra.run.dir=, or hydra.sweep.dir= for a sweep",
    "hydra.runtime": None,
    "hydra.overrides": None,
}
if JobConf.override_dirname == MISSING:  # Hydra 1.4 works it out only where nothing is given
    _SET_BY_HYDRA["hydra.job.override_dirname"] = (
        "hydra.job.config.override_dirname says how it is made"
    )
_OF_EACH_JOB = ("hydra.job.num", "hydra.job.id")
_SET_FOR_EACH_JOB = dict.fromkeys(_OF_EACH_JOB, "each job of a sweep has its own")


def tell_idle(hydra: DictConfig, is_swept: bool) -> None:
    """Warn of each override that a later one undoes, and of each of Hydra's without effect.

    Args:
        hydra: the section ``hydra`` of a configuration.
        is_swept: whether it is that of a job of a sweep.
    """
    overrides = hydra_overrides(hydra)
    for kind, message, hint in (
        *_unused_directory({*map(key_of, overrides)}, is_swept),
        *(_resumed_elsewhere(hydra) if is_swept else ()),
        *_set_by_hydra(overrides, is_swept),
        *_unknown(overrides),
        *_undone(task_overrides(hydra)),
    ):
        warn(kind, message, Origin("the command line", 1), hint)


def _unused_directory(given: set[str], is_swept: bool) -> Iterator[tuple[str, str, str]]:
    """A directory that was given for a run in a sweep, or for a sweep in a run."""
    kinds = {"a run": "hydra.run.dir", "a sweep": "hydra.sweep.dir"}
    present, other = ("a sweep", "a run") if is_swept else ("a run", "a sweep")
    if kinds[other] in given and kinds[present] not in given:
        message = f"{kinds[other]} has no effect: this is {present}"
        yield "run_directory", message, f"write {kinds[present]}="


def _resumed_elsewhere(hydra: DictConfig) -> Iterator[tuple[str, str, str]]:
    """A sweep that is to go on, and has a new directory."""
    sweep_dir = OmegaConf.to_container(hydra, resolve=False)["sweep"]["dir"]  # type: ignore[index,call-overload]
    words = {"resume=auto", "resume=true"}.intersection(task_overrides(hydra))
    if words and "${now:" in str(sweep_dir):
        message = f"{words.pop()} has no effect: this sweep begins in a new directory"
        yield "sweep_directory", message, "name that of the sweep to go on with: hydra.sweep.dir="


def _undone(overrides: list[str]) -> Iterator[tuple[str, str, None]]:
    if any(key_of(override) == "resume" for override in overrides):
        return  # what a run had may be taken back when it goes on
    for override, deletion in undone(overrides):
        yield "bad_override", f"{override} has no effect: {deletion} deletes it", None


def _set_by_hydra(overrides: list[str], is_swept: bool) -> Iterator[tuple[str, str, str | None]]:
    table = _SET_BY_HYDRA | (_SET_FOR_EACH_JOB if is_swept else {})
    for override in overrides:
        key = key_of(override)
        for name, hint in table.items():
            if f"{key}.".startswith(f"{name}."):
                yield "unknown_key", f"{override} has no effect: Hydra sets it itself", hint
                break


def _unknown(overrides: list[str]) -> Iterator[tuple[str, str, str | None]]:
    """What was added to a section of which Hydra knows all keys."""
    for override in overrides:
        key = key_of(override)
        kind: Any = HydraConf
        for part in key.split(".")[1:] if override.startswith("+") else ():
            if not is_dataclass(kind):
                break
            names = typing.get_type_hints(kind)
            if part not in names:
                hint = did_you_mean(part, names)
                yield "unknown_key", f"nothing reads {key}, which {override} adds", hint
                break
            kind = names[part]
