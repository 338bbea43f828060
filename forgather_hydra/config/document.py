"""A template as a Hydra config: what is left of it once it has been rendered and encoded."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from forgather_hydra.config.package import join, package_path
from forgather_hydra.template.files import are_current
from forgather_hydra.template.rendered import Rendered

if TYPE_CHECKING:
    from forgather_hydra.config.composition import Composition
    from forgather_hydra.errors import Withheld
    from forgather_hydra.graph.nodes import Mark

Positions = dict[str, "list[Mark]"]
References = dict[str, str]


@dataclass
class Document:
    """A rendered template, ready for Hydra.

    Attributes:
        pickled: the encoded configuration; every composition consumes its own copy.
        positions: marks of the lines that set each path.
        references: what the reference at each path names.
        written: the paths of the references that the template wrote out.
        package: the package its header asks for, or None.
        rendered: the rendered text, and what rendering tells of it.
        warnings: those that were given meanwhile.
    """

    pickled: bytes
    positions: Positions
    references: References
    written: frozenset[str]
    package: str | None
    rendered: Rendered
    warnings: list[Withheld] = field(default_factory=list)

    def config(self) -> Any:
        """A fresh copy of the configuration."""
        return pickle.loads(self.pickled)

    def is_current(self) -> bool:
        """Whether no file has changed since."""
        return are_current(self.rendered.files)

    def join(self, composition: Composition, name: str) -> Any:
        """Tell a composition about the document, whose config name is `name`.

        Returns:
            A copy of the configuration, in which the references that overrides pass through are
            typed.
        """
        package = package_path(self.package, name) or ""
        composition.add(name, package, self)
        for variable, value in self.rendered.assigned.items():
            composition.assigned.setdefault(variable, []).append(value)
        config = self.config()
        for path in self.written:
            if join(package, path) in composition.typed:
                type_reference(config, path, self.references[path])
        return config


def type_reference(config: DictConfig, path: str, target: str) -> None:
    """Make the text ``${x}`` at a path a typed reference, through which an override can go."""
    parent, _, key = path.rpartition(".")
    place: Any = OmegaConf.select(config, parent) if parent else config
    place[int(key) if isinstance(place, ListConfig) else key] = DictConfig(f"${{{target}}}")
