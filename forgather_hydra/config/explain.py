"""Where a value of a composed configuration comes from: template lines, config files, overrides."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf

from forgather_hydra.config.composition import Composed, Composition
from forgather_hydra.config.difference import leaves
from forgather_hydra.config.given import hydra_overrides, task_overrides
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.config.references import definition_of, passed_through
from forgather_hydra.config.search_path import sources_of
from forgather_hydra.errors import ForgatherError, did_you_mean, display_path
from forgather_hydra.graph.explain import explain as explain_graph
from forgather_hydra.graph.parse import parse
from forgather_hydra.template.source_map import Origin, Place, SourceMap, join, piece

_READS = re.compile(r"\$\{(?:oc\.select:)?(\w[\w.]*)(?:,.*)?\}\Z")


@dataclass
class Step:
    """One thing that set the value: where it stands, and what is written there.

    Attributes:
        text: what is written there.
        origin: the line of a file; None for an override.
    """

    text: str
    origin: Origin | None = None

    @property
    def where(self) -> str:
        if self.origin is None:
            return "command line"
        return f"{display_path(self.origin.template)}:{self.origin.line}"


@dataclass
class Explanation:
    """A value and its history.

    Attributes:
        path: the path that was asked for.
        definition: where the value is defined; differs from `path` if that goes through references.
        through: the references on the way.
        value: the value, as YAML.
        steps: what set it, in order; the last one won.
    """

    path: str
    definition: str
    through: list[str]
    value: str
    steps: list[Step]


def explain(path: str, overrides: list[str], composed: Composed) -> Explanation:
    """Tell how a value of a configuration came about, while Hydra's loader of it is at hand.

    Args:
        path: such as ``trainer.args.max_steps``.
        overrides: what the configuration was composed with.
        composed: the configuration, and its record.

    Raises:
        ForgatherError: ``unknown_key``, with the nearest key.
    """
    cfg, record = composed.cfg, composed.record
    definition = definition_of(path, record.references)
    value = _shown(cfg, path)
    steps: list[Step] = []
    seen: set[str] = set()
    source: str | None = definition
    while source is not None and source not in seen:
        seen.add(source)
        steps += [*layers(source, cfg, record), *_overriding(source, overrides, record)]
        source = _read_from(cfg, source)
    steps = [step for step, _ in groupby(steps)]
    return Explanation(path, definition, passed_through(path, record.references), value, steps)


def layers(path: str, cfg: DictConfig, record: Composition) -> Iterator[Step]:
    """The config files that set a path, in the order in which they are merged."""
    sources = sources_of(cfg)
    for default in _defaults(cfg):
        below = _below(path, default.package or "")
        if below is None or default.config_path.startswith("hydra/"):
            continue
        name = _file_of(default)
        if name in record.documents:
            document = record.documents[name][1]
            for mark in document.positions.get(below, []):
                if (origin := mark.origin) is not None:
                    yield _step(origin.file or origin.template, origin.line)
        elif (source := _source(sources, default.config_path)) is not None:
            yield from _lines(os.path.join(source.path, name), below)


def file_at(path: str, cfg: DictConfig) -> str | None:
    """The first config file whose own package is a path, or lies below it."""
    sources = sources_of(cfg)
    for default in _defaults(cfg):
        source = _source(sources, default.config_path)
        if source is not None and f"{default.package}.".startswith(f"{path}."):
            return os.path.join(source.path, _file_of(default))
    return None


def _file_of(default: Any) -> str:
    """The file of a config, whose name may have been given with its ending."""
    return f"{default.config_path.removesuffix('.yaml')}.yaml"


def _defaults(cfg: DictConfig) -> Sequence[Any]:
    loader = GlobalHydra.instance().config_loader()
    overrides = [*hydra_overrides(cfg.hydra), *task_overrides(cfg.hydra)]
    found = loader.compute_defaults_list(cfg.hydra.job.config_name, overrides, RunMode.RUN)
    return found.defaults  # type: ignore[no-any-return]


def _source(sources: list[ConfigSource], name: str) -> ConfigSource | None:
    return next((source for source in sources if source.is_config(name)), None)


def _lines(file: str, path: str) -> Iterator[Step]:
    """The lines of a plain config file that set a path."""
    if not os.path.isfile(file):
        return
    with open(file, encoding="utf-8") as stream:
        text = stream.read()
    source_map = SourceMap(join([piece(text, file, 1)]), {file: Place(file, file, 0)})
    for line in _lines_of(parse(text, source_map), path):
        yield _step(file, line)


def _lines_of(graph: Any, path: str) -> list[int]:
    try:
        return [s.origin.line for s in explain_graph(graph, path) if s.origin and s.path == path]
    except ForgatherError:  # this file does not set it
        return []


def _overriding(path: str, overrides: list[str], record: Composition) -> Iterator[Step]:
    for override in parsed_overrides(overrides):
        target = definition_of(override.key_or_group, record.references)
        if target == path or path.startswith(f"{target}."):
            yield Step(str(override.input_line))


def _read_from(cfg: DictConfig, path: str) -> str | None:
    """The path of the value that is used at another one, such as that of a variable."""
    above, _, key = path.rpartition(".")
    place = OmegaConf.select(cfg, above) if above else cfg
    # An alias has no history of its own; a variable may have no value but its default.
    if place is None or OmegaConf.is_config(OmegaConf.select(cfg, path)):
        return None
    step = int(key) if isinstance(place, ListConfig) else key
    node = place._get_node(step, validate_access=False)
    match = _READS.match(str(node._value())) if node is not None else None
    return match[1] if match else None


def _below(path: str, package: str) -> str | None:
    """`path` relative to a package, or None if it lies elsewhere."""
    if not package:
        return path
    if path == package:
        return ""
    return path.removeprefix(f"{package}.") if path.startswith(f"{package}.") else None


def _step(file: str, line: int) -> Step:
    with open(file, encoding="utf-8") as stream:
        text = stream.read().splitlines()[line - 1].strip()
    return Step(text, Origin(file, line, file))


def _shown(cfg: DictConfig, path: str) -> str:
    missing: Any = object()
    value = OmegaConf.select(cfg, path, default=missing)
    if value is missing:
        known = [key for key, _ in leaves(OmegaConf.to_container(cfg, resolve=False))]
        raise ForgatherError(
            "unknown_key", f"the configuration has no key {path!r}", hint=did_you_mean(path, known)
        )
    return OmegaConf.to_yaml(value).rstrip() if OmegaConf.is_config(value) else str(value)
