"""The configuration of an earlier run as a config source, for ``rerun=DIR``."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource

from forgather_hydra.config.composition import CURRENT
from forgather_hydra.errors import ForgatherError

if TYPE_CHECKING:
    from forgather_hydra.config.document import Document

_REFERENCE = re.compile(r"\$\{(?P<dots>\.*)(?P<path>[A-Za-z_][\w.-]*)\}\Z")
GROUP, OPTION = "saved_run", "config"


class SavedRunSource(ConfigSource):
    """``forgather-run://DIR``: one config, ``saved_run/config``, from ``DIR/.hydra``."""

    @staticmethod
    def scheme() -> str:
        return "forgather-run"

    def available(self) -> bool:
        return os.path.isfile(_file(self.path))

    def is_group(self, config_path: str) -> bool:
        return config_path.strip("/") in ("", GROUP)

    def is_config(self, config_path: str) -> bool:
        return config_path.removesuffix(".yaml").strip("/") == f"{GROUP}/{OPTION}"

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path.strip("/") == GROUP and results_filter != ObjectType.GROUP:
            return [OPTION]
        return [GROUP] if config_path == "" and results_filter != ObjectType.CONFIG else []

    def load_config(self, config_path: str) -> ConfigResult:
        if not self.is_config(config_path):
            raise ConfigLoadError(f"Config not found : {config_path}")
        document = _document(self.path, _saved_config(self.path))
        composition = CURRENT.get()
        config = (
            document.config()
            if composition is None
            else document.join(composition, f"rerun of {self.path}")
        )
        return ConfigResult(self.provider, self.full_path(), config, {"package": "_global_"})


def rerun_overrides(folder: Path, given: Iterable[str] = ()) -> list[str]:
    """The overrides that make a configuration that of an earlier run.

    Args:
        folder: of the run.
        given: keys of the overrides that the user gives.

    Raises:
        ForgatherError: ``bad_override``, where there is no configuration that can be read;
            ``security``; it is the run of another user, and nothing has been said about
            what it may import.
    """
    if folder.stat().st_uid != os.getuid() and "forgather.allow_targets" not in given:
        raise ForgatherError(
            "security",
            f"{folder} belongs to another user, and its configuration can name any function",
            hint="read its .hydra/config.yaml as you would read a script, and add "
            "forgather.allow_targets=trusted (what training needs), a list of your own, or null",
        )
    _saved_config(str(folder))
    source = f"forgather-run://{folder.absolute()}"
    # The run may itself have gone on, which its configuration says then.
    return [f"hydra.searchpath=['{source}']", f"+{GROUP}={OPTION}", "resume=null"]


def _file(folder: str) -> str:
    from forgather_hydra.rundir.names import HYDRA  # every Hydra application imports this module

    return os.path.join(folder, HYDRA, "config.yaml")


def _saved_config(folder: str) -> Any:
    from omegaconf import OmegaConf
    from yaml import YAMLError

    try:
        config = OmegaConf.load(_file(folder))
    except (OSError, ValueError, YAMLError):
        config = None
    if not OmegaConf.is_dict(config) or not config:
        message = f"{_file(folder)} is no configuration of a run"
        raise ForgatherError(
            "bad_override",
            message,
            hint="name another run, or repeat its command, which is in its run.json",
        )
    return config


def _document(folder: str, config: Any) -> Document:
    """The configuration of a run as a document, so that overrides can go through its references."""
    from omegaconf import OmegaConf

    from forgather_hydra.config.document import Document
    from forgather_hydra.rundir.names import RENDERED
    from forgather_hydra.template.rendered import Rendered
    from forgather_hydra.template.source_map import SourceMap

    file = Path(folder) / RENDERED
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    references = dict(_references(OmegaConf.to_container(config, resolve=False)))
    rendered = Rendered(text, SourceMap(text, {}))
    written = frozenset(references)
    return Document(pickle.dumps(config), {}, references, written, "_global_", rendered)


def _references(raw: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """(path, path of what it refers to) for each reference."""
    if isinstance(raw, str) and (match := _REFERENCE.match(raw)):
        base = path[: len(path) - len(match["dots"])] if match["dots"] else ()
        yield ".".join(path), ".".join((*base, match["path"]))
    elif isinstance(raw, dict):
        for key, item in raw.items():
            yield from _references(item, (*path, str(key)))
    elif isinstance(raw, list):
        for index, item in enumerate(raw):
            yield from _references(item, (*path, str(index)))
