"""Our application's configuration for some overrides, composed without running it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SETTINGS = ("resources", "output_root", "resume", "optimized_metric")
"""The keys of the primary config: how a job is run, rather than what it is made of."""


@contextmanager
def composed(overrides: list[str]) -> Iterator[Any]:
    """The composed configuration, ``hydra`` included.

    Raises:
        ForgatherError: it cannot be composed.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from forgather_hydra.config.command_line import UsageExit, command_line
    from forgather_hydra.paths import conf_dir

    outer = GlobalHydra.instance().hydra  # that of the run which asks for this, if any does
    GlobalHydra.instance().hydra = None
    try:
        with command_line(), initialize_config_dir(str(conf_dir()), version_base=None):
            yield compose("config", overrides, return_hydra_config=True)
    except UsageExit as stop:
        raise stop.error from stop
    finally:
        GlobalHydra.instance().hydra = outer


def graph_of(overrides: list[str]) -> Any:
    """The node graph of the composed configuration, without the settings of the application."""
    from forgather_hydra.config.check import decoded_job
    from forgather_hydra.config.composition import latest

    with composed(overrides) as cfg:
        graph = decoded_job(cfg)
        for key in SETTINGS:
            if key not in latest().positions:  # which has those that a template sets
                graph.pop(key, None)
        return graph
