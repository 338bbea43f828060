"""The state of one load: the sub-templates it has met, and what its templates did."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from jinja2.environment import TemplateModule
from jinja2.utils import Namespace

from forgather_hydra.template.budget import Budget
from forgather_hydra.template.files import Source, Stamp, TemplateFile
from forgather_hydra.template.rendered import Reference
from forgather_hydra.template.source_map import Origin, Place


class Load:
    """What one render has met so far; nothing of it outlives the render.

    Args:
        pins: values of ``ns`` variables that assignments in templates must not change.
        variables: those that they have to begin with.
    """

    def __init__(
        self, pins: dict[str, Any] | None = None, variables: Iterable[tuple[str, Any]] = ()
    ) -> None:
        self.pins = pins or {}
        self.variables = dict(variables)
        self.budget = Budget()
        self.assigned: dict[str, Any] = {}
        self.read: set[str] = set()
        self.parts: dict[str, Source] = {}
        self.places: dict[str, Place] = {}
        self.files: dict[str, TemplateFile] = {}
        self.sources: dict[str, Source] = {}
        self.stamps: dict[str, Stamp] = {}
        self.used: set[str] = set()
        self.modules: dict[str | None, TemplateModule] = {}
        self.parents: dict[str, str] = {}
        self.references: dict[Reference, None] = {}
        self.lookups: dict[str, str | None] = {}
        self.is_fleeting = False
        self.looks_everywhere = False

    def enter(self, file: TemplateFile) -> Source:
        """Take note of a file: from now on its parts can be used by name."""
        for source in file.sources:
            self.places[source.key] = source.place
            self.sources[source.key], self.files[source.key] = source, file
        self.parts.update({source.name: source for source in file.sources[1:]})
        self.stamps[file.stamp[0]] = file.stamp
        return file.sources[0]

    def ancestors(self, child: str) -> list[str]:
        """The templates that one extends, the nearest first."""
        chain: list[str] = []
        while child in self.parents and self.parents[child] not in chain:
            child = self.parents[child]
            chain.append(child)
        return chain

    def origin(self, key: str, line: int) -> Origin:
        """A line of a template in its file."""
        place = self.places[key]
        return Origin(place.template, line + place.offset, place.file)

    def parents_of_files(self) -> dict[str, list[str]]:
        """The names of the files that the templates of each file extend."""
        found: dict[str, list[str]] = {}
        for child, parent in self.parents.items():
            name = self.places[child].template
            found.setdefault(name, []).append(self.places[parent].template)
        return found


CURRENT: ContextVar[Load] = ContextVar("forgather_load")


class RenderVariables(Namespace):
    """The namespace ``ns``: remembers what templates assign and read, and keeps pinned values."""

    def __init__(self, **values: Any) -> None:
        load = CURRENT.get()
        load.assigned.update(values)
        super().__init__({**load.variables, **values, **load.pins})

    def __setitem__(self, name: str, value: Any) -> None:
        load = CURRENT.get()
        load.assigned[name] = value
        super().__setitem__(name, load.pins.get(name, value))

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_"):
            CURRENT.get().read.add(name)
        return super().__getattribute__(name)


def variables_of(namespace: RenderVariables) -> dict[str, Any]:
    """The variables of a namespace by name."""
    values: dict[str, Any] = object.__getattribute__(namespace, "_Namespace__attrs")
    return values
