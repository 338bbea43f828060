"""What makes two runs the same: a hash of their composed configuration."""

from __future__ import annotations

import hashlib

from omegaconf import DictConfig, OmegaConf

# Keys that say where or whether a run goes on rather than what it is.
_VOLATILE = ("hydra", "resume", "output_root", "resources")
_SHAPE = ("resources.nodes", "resources.nproc_per_node")  # these change what is computed


def signature(cfg: DictConfig) -> str:
    """A hash of what a run is: its composed configuration, interpolations as written."""
    job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in _VOLATILE])
    shape = [str(OmegaConf.select(cfg, key)) for key in _SHAPE]
    return hashlib.sha256("\n".join([OmegaConf.to_yaml(job), *shape]).encode()).hexdigest()[:16]
