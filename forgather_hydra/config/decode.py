"""OmegaConf to node graph: the inverse of `encode`, after overrides."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping as AnyMapping
from typing import Any

from omegaconf import AnyNode, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forgather_hydra.config.content import content
from forgather_hydra.config.document import Positions
from forgather_hydra.config.homes import RESERVED, Path
from forgather_hydra.config.interpolations import value_at
from forgather_hydra.config.places import UNKNOWN, Places
from forgather_hydra.config.resolvers import register
from forgather_hydra.config.targets import DLIST_TARGET, PARTIAL, from_target
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import (
    Call,
    DList,
    Element,
    Mapping,
    Sequence,
    Shared,
    Tuple,
    Var,
)
from forgather_hydra.graph.walk import path_text
from forgather_hydra.graph.words import Kind

_VARIABLE = re.compile(
    r"\$\{(?:vars\.(?P<name>\w+)|oc\.select:vars\.(?P<selected>\w+),(?P<default>.*))\}\Z"
)
_MISSING = re.compile(r"Interpolation key '([\w.]+)' not found")
_TUPLE = "${fg.tuple:"
_KINDS: dict[bool | None, Kind] = {
    None: Kind.SINGLETON,
    **{is_partial: kind for kind, is_partial in PARTIAL.items()},
}
_CALL_KEYS = ("_target_", "_partial_", "_args_", "_convert_", "_recursive_")


def from_omegaconf(
    cfg: DictConfig | ListConfig,
    positions: Positions | None = None,
    without: Collection[str] = (),
) -> Any:
    """The graph of a composed configuration.

    Args:
        cfg: a configuration, as composed by Hydra or loaded from a run's ``.hydra/config.yaml``.
        positions: marks of template lines by path, which the graph's elements then carry.
        without: root keys that are not part of the graph.

    Raises:
        ForgatherError: ``missing_value`` for a ``???`` or a reference to nothing.
    """
    register()
    return _Decoder(cfg, positions or {}, without).run()


class _Decoder:
    def __init__(
        self, cfg: DictConfig | ListConfig, positions: Positions, without: Collection[str]
    ) -> None:
        self.cfg = cfg
        raw = content(cfg)
        self.raw: Any = {k: v for k, v in raw.items() if k not in without} if without else raw
        self.positions = positions
        self.memo: dict[Path, Any] = {}
        about = self.raw.get("forgather") if isinstance(self.raw, dict) else None
        self.about: dict[str, Any] = about or {}
        self.reading: set[Path] = set()
        self.places = Places(self.raw, self.positions)
        self.referenced = self.places.referenced()

    def run(self) -> Any:
        root = self.raw
        if isinstance(root, dict) and "_target_" not in root:
            gone = (*RESERVED, *self.about.get("defines", []))
            root = {key: value for key, value in root.items() if key not in gone}
        return self.at((), root)

    def at(self, path: Path, value: Any) -> Any:
        """The graph value at a path."""
        if path in self.memo:
            return self.memo[path]
        with self.places.once(path, self.reading):
            made = self.made(value, path)
        if path in self.referenced and not isinstance(made, Element):
            made = Shared(made)
        if isinstance(made, Element):
            self.describe(made, path)
            self.memo[path] = made
        return made

    def made(self, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, dict):
            return self.dict(value, path)
        if isinstance(value, list):
            return Sequence([self.at((*path, i), item) for i, item in enumerate(value)])
        return value

    def text(self, value: str, path: Path) -> Any:
        if value == "???":
            raise self.missing(path)
        if "${" not in value:
            return value
        if variable := _VARIABLE.match(value):
            return self.variable(variable)
        target = self.places.target_of(value, path)
        if target is not None:
            return self.at(target, self.places.at(target))
        if (found := self.places.read_by(value, path)) is not UNKNOWN and self.is_free(path):
            return found
        resolved = self.resolved(path)
        if value.startswith(_TUPLE):
            return Tuple(self.plain(resolved))
        return self.plain(resolved)

    def variable(self, match: re.Match[str]) -> Var:
        name = match["name"] or match["selected"]
        declared = self.raw.get("vars", {}) if isinstance(self.raw, dict) else {}
        if declared.get(name, "???") != "???":
            return Var(name, self.at(("vars", name), declared[name]))
        if match["default"] is None:
            return Var(name)
        alone = OmegaConf.create({"value": f"${{oc.select:nothing,{match['default']}}}"})
        return Var(name, alone.value)

    def dict(self, value: AnyMapping[Any, Any], path: Path) -> Any:
        if "_target_" not in value:
            return Mapping({key: self.at((*path, key), item) for key, item in value.items()})
        target = value["_target_"]
        if not isinstance(target, str):
            raise self.places.failed("bad_import_spec", f"_target_ is {target!r}, not text", path)
        if "${" in target:
            target = str(self.resolved((*path, "_target_")))
        if target == DLIST_TARGET and "_args_" not in value:
            return DList({k: self.at((*path, k), v) for k, v in value.items() if k != "_target_"})
        is_meta, spec = from_target(target)
        args = self.at((*path, "_args_"), value["_args_"]) if "_args_" in value else []
        kwargs = {k: self.at((*path, k), v) for k, v in value.items() if k not in _CALL_KEYS}
        if (
            spec == "tuple"
            and not is_meta
            and not kwargs
            and len(args) == 1
            and type(args[0]) is Sequence
        ):
            return Tuple(args[0])
        if spec == "dict" and not is_meta and not kwargs and len(args) == 1 and _are_pairs(args[0]):
            return Mapping(args[0])
        how = value.get("_partial_")
        if how not in (None, True, False):
            raise self.places.failed(
                "bad_tag_argument", f"_partial_ is {how!r}: true or false", path
            )
        kind = Kind.META if is_meta else _KINDS[how]
        search_path, latent = (
            kwargs.pop("submodule_searchpath", None),
            kwargs.pop("latent_args", None),
        )
        return Call(kind, spec, list(args), kwargs, search_path=search_path, latent_args=latent)

    def describe(self, element: Any, path: Path) -> None:
        text = path_text(path)
        label = self.about.get("names", {}).get(text)
        if label is None and path and path in self.referenced and isinstance(path[-1], str):
            label = path[-1]
        if not isinstance(element, Var) and element._label_ is None:
            element._label_ = label
        if element._mark_ is None and text in self.positions:
            element._mark_ = self.positions[text][-1]

    def plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return Mapping({key: self.plain(item) for key, item in value.items()})
        if isinstance(value, list):
            return Sequence([self.plain(item) for item in value])
        return value

    def resolved(self, path: Path) -> Any:
        """The value that OmegaConf gives for a path."""
        place: Any = self.cfg
        try:
            for step in path:
                place = value_at(place, step)
            if OmegaConf.is_config(place):
                place = OmegaConf.to_container(place, resolve=True)
        except OmegaConfBaseException as error:
            message = str(error).splitlines()[0]
            raise self.places.failed("missing_value", message, path, hint=_cure(message)) from error
        return place

    def is_free(self, path: Path) -> bool:
        """Whether what stands at a path is taken as it is, as it may be of any type."""
        place: Any = self.cfg
        if place._get_parent() is not None:  # interpolations begin further up
            return False
        for step in path:
            place = place._get_node(step)
        return isinstance(place, AnyNode)

    def missing(self, path: Path) -> ForgatherError:
        text = path_text(path)
        return self.places.failed(
            "missing_value", "a value is required here", path, hint=f"set it: {text}=..."
        )


def _cure(message: str) -> str | None:
    """What to do about an interpolation that names nothing."""
    missing = _MISSING.match(message)
    if missing is None:
        return None
    key = missing[1]
    if key.startswith("hydra."):
        return f"Hydra's own values are written ${{{key.replace('.', ':', 1)}}}"
    root = key.partition(".")[0]
    return f"nothing that is chosen sets it: choose it, such as +{root}=NAME, or set +{key}=VALUE"


def _are_pairs(value: Any) -> bool:
    return (
        type(value) is Sequence
        and bool(value)
        and all(type(p) is Sequence and len(p) == 2 for p in value)
        and any(not isinstance(p[0], (str, int, float, bool)) for p in value)
    )
