"""Compositions kept between processes, in the user's cache, for as long as the files say the same.

An entry is named after all that chooses it, and holds what it rests on. Whatever else could change
it, such as the time, is found while composing, and what depends on that is not kept.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hydra import version
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobRuntime

from forgather_hydra.config.composition import Composition
from forgather_hydra.config.looked_up import LookedUp, is_still
from forgather_hydra.errors import tell
from forgather_hydra.template.kept_pickles import UNPICKLED, read_pickle, write_pickle

if TYPE_CHECKING:
    from forgather_hydra.config.jobs import Base

_KIND = "composition"


class KeptCompositions:
    """What one config loader has composed.

    Args:
        search_path: that of the loader.
    """

    def __init__(self, search_path: ConfigSearchPath) -> None:
        self.search_path = search_path

    def read(self, *about: Any) -> dict[str, Any] | None:
        """What was kept of something, if it still holds."""
        place = self._place(about)
        found = place and read_pickle(_KIND, *place)
        if not found or not is_still(found["basis"]):
            return None
        tell(found["warnings"])
        return found

    def write(self, content: Mapping[str, Any], looked: LookedUp, *about: Any) -> None:
        """Keep something, if it rests on nothing but files."""
        place = self._place(about)
        found = looked.basis() if place else None
        if place and found is not None:
            entry = {**content, "basis": found, "warnings": looked.warnings}
            write_pickle(entry, _KIND, *place)

    def read_base(self, *about: Any) -> Base | None:
        """What several jobs have in common, as of `write_base`."""
        from forgather_hydra.config.jobs import Base

        found = self.read(*about)
        if found is None:
            return None
        return Base(found["config"], Composition.kept(*found["record"]))

    def write_base(self, base: Base, looked: LookedUp, *about: Any) -> None:
        """Keep what several jobs have in common."""
        self.write({"config": base.config, "record": base.record.to_keep()}, looked, *about)

    def _place(self, about: tuple[Any, ...]) -> tuple[str, ...] | None:
        """All that an outcome is named after; None if that cannot be told."""
        path = [(each.provider, each.path) for each in self.search_path.get_path()]
        hydra = version.getbase(), JobRuntime.instance().get("name"), path
        with suppress(*UNPICKLED):
            store = pickle.dumps(ConfigStore.instance().repo, pickle.HIGHEST_PROTOCOL)
            return repr(about), repr(hydra), repr(sys.path), store.hex()
        return None
