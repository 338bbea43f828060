"""Check a composed job before it starts: names importable, arguments known to their targets."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from forgather_hydra.config.composition import latest
from forgather_hydra.config.decode import from_omegaconf
from forgather_hydra.config.policy import allowed_targets, check_policy
from forgather_hydra.graph.check import check


def check_job(cfg: DictConfig) -> None:
    """Check the graph of a composed configuration.

    Raises:
        ForgatherError: ``security`` for what must not be imported, or one error that tells all
            other problems.
    """
    graph = decoded_job(cfg)
    check_policy(graph, allowed_targets(cfg), cfg.hydra.overrides.task)
    check(graph)


def decoded_job(cfg: DictConfig) -> Any:
    """The graph of a composed configuration that has not been run.

    What Hydra knows only at run time is not there yet, so the working directory stands for the
    output directory.
    """
    from hydra.core.hydra_config import HydraConfig

    before = HydraConfig.instance().cfg
    planned = OmegaConf.masked_copy(cfg, "hydra")
    with open_dict(planned):
        planned.hydra.runtime.output_dir = "."
    HydraConfig.instance().cfg = planned  # type: ignore[assignment]
    try:
        return from_omegaconf(cfg, latest().positions, without=["hydra"])
    finally:
        HydraConfig.instance().cfg = before
