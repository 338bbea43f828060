"""What makes two runs the same: a hash of their composed configuration."""

from __future__ import annotations

import hashlib

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.content import content, with_names
from forgather_hydra.config.difference import APART
from forgather_hydra.config.written import yaml_of

_SHAPE = ("resources.nodes", "resources.nproc_per_node")  # these change what is computed


def signature(cfg: DictConfig) -> str:
    """A hash of what a run is: its composed configuration, interpolations as written."""
    job = {key: value for key, value in content(cfg).items() if str(key) not in APART}
    text = yaml_of(with_names(job))
    shape = [str(OmegaConf.select(cfg, key)) for key in _SHAPE]
    return hashlib.sha256("\n".join([text, *shape]).encode()).hexdigest()[:16]
