"""Templates that were edited since the run began with which ``resume=DIR`` goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from forgather_hydra.config.content import content, with_names
from forgather_hydra.config.difference import ABSENT, APART, between, leaves, saved
from forgather_hydra.config.given import key_of, task_overrides
from forgather_hydra.config.saved_overrides import overrides_of
from forgather_hydra.config.written import yaml_of
from forgather_hydra.errors import ForgatherError, warn
from forgather_hydra.template.source_map import Origin


def tell_edited(cfg: DictConfig) -> None:
    """Warn of values that differ from those of the run although no override says so.

    Args:
        cfg: the configuration of a job.
    """
    folder = cfg.get("resume")
    if folder in (None, False, True, "auto"):
        return
    try:
        before, was = overrides_of(Path(str(folder)), "task"), saved(Path(str(folder)))
    except (ForgatherError, OSError, YAMLError, OmegaConfBaseException):
        return
    given = {key_of(o) for o in task_overrides(cfg.hydra) if o not in before} - {"resume"}
    if not all(_changes_itself_only(key, cfg) for key in given):
        return
    now = OmegaConf.create(yaml_of(with_names(content(cfg))))
    changed = [
        each
        for each in between(was, dict(leaves(OmegaConf.to_container(now, resolve=False))))
        if each.path not in given and each.path.partition(".")[0] not in APART
    ]
    if changed:
        path, former, present = changed[0]
        others = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        warn(
            "edited",
            f"{path} {_words(present, 'is')}, and {_words(former, 'was')} in the run of "
            f"resume={folder}{others}: templates were edited since",
            Origin("the command line", 1),
            "the run goes on with what they say now; undo the edit, or start a new run",
        )


def _changes_itself_only(key: str, cfg: DictConfig) -> bool:
    """Whether an override is none of a part that is chosen, nor of a variable of templates."""
    value = OmegaConf.select(cfg, key, throw_on_missing=False)
    return not (key.startswith("ns.") or value is None or OmegaConf.is_config(value))


def _words(value: Any, verb: str) -> str:
    return f"{verb} not there" if value is ABSENT else f"{verb} {value!r}"
