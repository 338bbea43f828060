"""What ``--cfg job --resolve`` cannot show: interpolations that give no value."""

from __future__ import annotations

import copy

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from forgather_hydra.config.composition import Composed
from forgather_hydra.config.difference import leaves
from forgather_hydra.config.given import task_overrides
from forgather_hydra.config.placing import PREFLIGHT, unreadable
from forgather_hydra.errors import ForgatherError


def unresolvable(composed: Composed, path: str) -> ForgatherError | None:
    """The error for an interpolation below a path that gives no value."""
    cfg = copy.deepcopy(composed.cfg)
    HydraConfig.instance().set_config(cfg)  # as Hydra does before it shows a configuration
    overrides = task_overrides(cfg.hydra)
    with open_dict(cfg):
        del cfg["hydra"]
    found = leaves(OmegaConf.to_container(cfg, resolve=False))
    # What is made to check the others refers to them.
    for place, value in sorted(found, key=lambda leaf: leaf[0].startswith(PREFLIGHT)):
        if "${" in str(value) and f"{place}.".startswith(f"{path}." if path else ""):
            try:
                OmegaConf.select(cfg, place)
            except (MissingMandatoryValue, InterpolationToMissingValueError):
                continue  # it is shown as missing
            except OmegaConfBaseException as error:
                message = str(error).splitlines()[0]
                wrong = ForgatherError("missing_value", message, path=place)
                return unreadable(wrong, composed.cfg, overrides, composed.record)
    return None
