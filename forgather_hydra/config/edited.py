"""Templates that were edited since the run began with which ``resume=DIR`` goes on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from forgather_hydra.config.content import content, with_names
from forgather_hydra.config.difference import ABSENT, leaves
from forgather_hydra.config.given import key_of, task_overrides
from forgather_hydra.config.written import yaml_of
from forgather_hydra.errors import warn
from forgather_hydra.rundir.names import HYDRA
from forgather_hydra.template.source_map import Origin

# What says where or how a run goes on, rather than what it is.
_APART = ("hydra", "resume", "output_root", "resources")


def tell_edited(cfg: DictConfig) -> None:
    """Warn of values that differ from those of the run although no override says so.

    Args:
        cfg: the configuration of a job.
    """
    folder = cfg.get("resume")
    if folder in (None, False, True, "auto"):
        return
    kept = Path(str(folder), HYDRA)
    try:
        saved, hydra = OmegaConf.load(kept / "config.yaml"), OmegaConf.load(kept / "hydra.yaml")
        before = task_overrides(hydra.hydra)
    except (OSError, YAMLError, AttributeError, OmegaConfBaseException):
        return
    given = {key_of(o) for o in task_overrides(cfg.hydra) if o not in before} - {"resume"}
    if not all(_changes_itself_only(key, cfg) for key in given):
        return
    changed = _changed(saved, OmegaConf.create(yaml_of(with_names(content(cfg)))), given)
    if changed:
        path, was, present = changed[0]
        others = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        warn(
            "edited",
            f"{path} {present}, and {was} in the run of resume={folder}{others}: templates were "
            "edited since",
            Origin("the command line", 1),
            "the run goes on with what they say now; undo the edit, or start a new run",
        )


def _changes_itself_only(key: str, cfg: DictConfig) -> bool:
    """Whether an override is none of a part that is chosen, nor of a variable of templates."""
    value = OmegaConf.select(cfg, key, throw_on_missing=False)
    return not (key.startswith("ns.") or value is None or OmegaConf.is_config(value))


def _changed(saved: Any, present: Any, given: Collection[str]) -> list[tuple[str, str, str]]:
    """(path, what was there, what is there), in words, but for what overrides say."""
    was, now = (_leaves(config) for config in (saved, present))
    pairs = ((path, was.get(path, ABSENT), now.get(path, ABSENT)) for path in {**was, **now})
    return [
        (path, _words(left, "was"), _words(right, "is"))
        for path, left, right in pairs
        if left != right and path not in given
    ]


def _leaves(config: Any) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=False)
    return {p: v for p, v in leaves(plain) if p.partition(".")[0] not in _APART}


def _words(value: Any, verb: str) -> str:
    return f"{verb} not there" if value is ABSENT else f"{verb} {value!r}"
