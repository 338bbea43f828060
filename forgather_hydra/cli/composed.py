"""The configuration that a command line composes, without running it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forgather_hydra.config.composition import Composed


def composed(
    overrides: list[str], config_dir: str | None = None, config_name: str | None = None
) -> AbstractContextManager[Composed]:
    """The composed configuration, ``hydra`` included, with our errors.

    Args:
        overrides: as on the command line.
        config_dir: a folder with more configs.
        config_name: the primary config, if not ours.
    """
    from forgather_hydra.config import application
    from forgather_hydra.run import directory

    directory.register()
    return application.composed(overrides, config_dir, config_name)
