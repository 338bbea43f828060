"""What Hydra's plugin scan finds: the config sources and the search-path plugin."""

from forgather_hydra.config.saved_run import SavedRunSource
from forgather_hydra.config.search_path import ForgatherSearchPathPlugin
from forgather_hydra.config.source import ForgatherOverlaySource, ForgatherSource
from forgather_hydra.project.source import ProjectSource

__all__ = [
    "ForgatherOverlaySource",
    "ForgatherSearchPathPlugin",
    "ForgatherSource",
    "ProjectSource",
    "SavedRunSource",
]
