"""Check a composed job before it starts: every name importable, every argument known to its target."""

from __future__ import annotations

from omegaconf import DictConfig, open_dict

from forgather_hydra.config.composition import latest
from forgather_hydra.config.decode import from_omegaconf
from forgather_hydra.graph.check import check


def check_job(cfg: DictConfig) -> None:
    """Check the graph of a composed configuration.

    Interpolations of Hydra's runtime values are not there yet, so ``hydra`` is resolved against a
    copy that names the working directory as output directory.

    Raises:
        ForgatherError: one error that tells all problems.
    """
    from hydra.core.hydra_config import HydraConfig

    before = HydraConfig.instance().cfg
    job = cfg.copy()
    with open_dict(job):
        job.hydra.runtime.output_dir = "."
    HydraConfig.instance().set_config(job)
    try:
        with open_dict(job):
            del job["hydra"]
        check(from_omegaconf(job, latest().positions))
    finally:
        HydraConfig.instance().cfg = before
