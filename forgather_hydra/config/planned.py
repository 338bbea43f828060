"""Hydra's section of a job that has not been run, with what Hydra would know by then."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from forgather_hydra.config.content import content

# Interpolations that give the same in a copy of what is around them.
_ABSOLUTE = re.compile(r"\$\{(?:(?:now|oc\.env):[^${}]*|(?:hydra:)?\w[\w.]*)\}")
_SET_AT_RUN_TIME = ("runtime", "job", "output_dir", "num", "id")


def planned(cfg: DictConfig, is_swept: bool) -> DictConfig:
    """A root with the section ``hydra`` alone, in which no value is open that a job will have.

    The working directory stands for the output directory, and in a sweep the first job's number for
    that of each.

    Args:
        cfg: a composed configuration, ``hydra`` included.
        is_swept: whether it is that of a job of a sweep.
    """
    hydra = copy.deepcopy(cfg.hydra, {id(node): node for node in _unchanged(cfg.hydra)})
    with read_write(hydra), open_dict(hydra):
        hydra.runtime.output_dir = "."
        if is_swept and OmegaConf.is_missing(hydra.job, "num"):
            hydra.job.num, hydra.job.id = 0, "0"
    hydra._set_parent(cfg)  # as Hydra does, so that it can refer to the job's values
    root = DictConfig({})
    root.__dict__["_content"]["hydra"] = hydra  # assigned it would be copied
    return root


def _unchanged(hydra: DictConfig) -> Iterator[Any]:
    """The nodes that need no copy: most of the section."""
    sections: tuple[Any, ...] = (hydra, hydra.runtime, hydra.job)
    for section in sections:
        for key, node in section._content.items():
            text = repr(content(node))
            is_absolute = len(_ABSOLUTE.findall(text)) == text.count("${")
            if key not in _SET_AT_RUN_TIME and is_absolute:
                yield node
