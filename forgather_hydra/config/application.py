"""Our application's configuration for some overrides, composed without running it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from forgather_hydra.errors import ForgatherError

if TYPE_CHECKING:
    from forgather_hydra.config.composition import Composed

PRIMARY = "config"
SETTINGS = ("resources", "output_root", "resume", "optimized_metric")
"""The keys of the primary config: how a job is run, rather than what it is made of."""


@contextmanager
def composed(
    overrides: list[str], config_dir: str | None = None, config_name: str | None = None
) -> Iterator[Composed]:
    """The composed configuration, ``hydra`` included.

    Args:
        overrides: as on the command line.
        config_dir: a folder with more configs, as Hydra's option.
        config_name: the primary config, likewise.

    Raises:
        ForgatherError: it cannot be composed.
    """
    from hydra import compose, initialize_config_dir

    from forgather_hydra.config.command_line import UsageExit, command_line
    from forgather_hydra.config.composition import Composed
    from forgather_hydra.paths import conf_dir

    try:
        with command_line(), initialize_config_dir(str(conf_dir()), version_base=None):
            if config_dir is not None:
                _add_folder(config_dir)
            cfg = compose(config_name or PRIMARY, overrides, return_hydra_config=True)
            yield Composed.of(cfg)
    except UsageExit as stop:
        raise stop.error from stop


def _add_folder(folder: str) -> None:
    """Let Hydra find configs in one more folder, as its option ``--config-dir`` does."""
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathElement
    from hydra.core.global_hydra import GlobalHydra

    from forgather_hydra.paths import conf_dir

    if not os.path.isdir(folder):
        raise ForgatherError("bad_override", f"--config-dir {folder}: there is no such folder")
    search_path = create_config_search_path(str(conf_dir()))
    more = SearchPathElement("command-line", f"file://{os.path.abspath(folder)}")
    search_path.get_path().insert(-1, more)  # the last one has the schemas
    GlobalHydra.instance().clear()
    Hydra.create_main_hydra2("app", search_path)


def graph_of(
    overrides: list[str], config_dir: str | None = None, config_name: str | None = None
) -> Any:
    """The node graph of a configuration, as of `composed`, without the application's settings."""
    with composed(overrides, config_dir, config_name) as job:
        return graph_without_settings(job)


def graph_without_settings(job: Composed) -> Any:
    """The node graph of a composed configuration, without what only the application reads."""
    from forgather_hydra.config.check import decoded_job

    graph = decoded_job(job)
    for key in SETTINGS:
        if key not in job.record.positions:  # which has those that a template sets
            graph.pop(key, None)
    return graph
