"""The configuration that a command line composes, without running it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def composed(overrides: list[str]) -> AbstractContextManager[Any]:
    """The composed configuration, ``hydra`` included, with our errors."""
    from forgather_hydra.config import application
    from forgather_hydra.run import directory

    directory.register()
    return application.composed(overrides)
