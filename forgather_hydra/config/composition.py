"""A composed configuration, and what templates did meanwhile: assignments, references, lines."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.package import join

if TYPE_CHECKING:
    from forgather_hydra.config.document import Document, Positions, References
    from forgather_hydra.config.jobs import Recipe
    from forgather_hydra.config.looked_up import LookedUp
    from forgather_hydra.template.rendered import Rendered


Documents = Mapping[str, "tuple[str, Document]"]
# Of a composition: worked out of its documents when needed.
_LATER = (
    "hands",
    "positions",
    "references",
)


@dataclass(eq=False, repr=False)
class Composition:
    """The record of one composition.

    Attributes:
        pins: values of ``ns`` variables that templates must keep.
        typed: paths of references that overrides pass through; these must be typed ones.
        folders: the folders in which templates find each other.
        strict: whether what has no effect is an error rather than a warning.
        is_asked: whether a source of ours took part at all.
        assigned: all values that templates assigned to each ``ns`` variable of their own accord.
        documents: the templates that took part, by config name, with their packages; it is
            replaced, and not changed.
        plain: the files of other configs that took part, by config name without an ending.
        graph: the node graph by which the job was checked, for who needs it next.
        recipe: how the configuration was made, if it starts from one that others share.
        package: where the config goes that is read now, once Hydra knows that.
        standing: the names of the documents that have their place in the configuration.
    """

    pins: dict[str, Any] = field(default_factory=dict)
    typed: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    strict: bool = False
    is_asked: bool = False
    assigned: dict[str, list[Any]] = field(default_factory=dict)
    documents: Documents = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)
    graph: Any = None
    recipe: Recipe | None = None
    package: str | None = None
    standing: set[str] = field(default_factory=set)

    def __deepcopy__(self, memo: dict[int, Any]) -> Composition:
        """Itself: a record does not change once it has been made."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "graph": None, "recipe": None}

    @contextmanager
    def reading_for(self, package: str) -> Iterator[None]:
        """Have what is read meanwhile stand in a package, whatever it says itself."""
        self.package = package
        try:
            yield
        finally:
            self.package = None

    def add(self, name: str, package: str, document: Document) -> None:
        """Note a document; one that stands in several packages is noted for each."""
        key = name
        if self.package is not None:
            key = f"{name}@{package}" if name in self.standing else name
            self.standing.add(name)
        self.documents = {**self.documents, key: (package, document)}

    def take(self, other: Composition) -> None:
        """Tell what templates did while another composition was made."""
        self.is_asked = other.is_asked
        self.assigned = {name: [*values] for name, values in other.assigned.items()}
        self.documents = other.documents
        self.plain = {**other.plain}
        worked_out = {name: other.__dict__[name] for name in _LATER if name in other.__dict__}
        self.__dict__.update(worked_out)

    def to_keep(self) -> tuple[Any, ...]:
        """What `kept` makes this of again, pins aside."""
        documents = pickle.dumps(dict(self.documents), pickle.HIGHEST_PROTOCOL)
        return self.is_asked, self.assigned, self.hands, self.references, documents, self.plain

    @classmethod
    def kept(
        cls,
        is_asked: bool,
        assigned: dict[str, list[Any]],
        hands: bool,
        references: References,
        documents: bytes,
        plain: dict[str, str],
    ) -> Composition:
        """A record that was kept; its documents are read when they are asked for."""
        late = LateDocuments(documents)
        made = cls(is_asked=is_asked, assigned=assigned, documents=late, plain=plain)
        made.__dict__.update(hands=hands, references=references)
        return made

    @property
    def rendered(self) -> dict[str, Rendered]:
        """What rendering each template that took part has left, by config name."""
        found = self.documents.items()
        return {name.partition("@")[0]: document.rendered for name, (_, document) in found}

    @property
    def texts(self) -> dict[str, str]:
        """The rendered text of each template that took part."""
        return {name: rendered.text for name, rendered in self.rendered.items()}

    @cached_property
    def positions(self) -> Positions:
        """Marks of template lines by config path."""
        found: Positions = {}
        for package, document in self.documents.values():
            for path, marks in document.positions.items():
                found.setdefault(join(package, path), []).extend(marks)
        return found

    @cached_property
    def hands(self) -> bool:
        """Whether a template has blocks for the parts that it chooses."""
        return any(rendered.handed for rendered in self.rendered.values())

    @cached_property
    def references(self) -> References:
        """What the reference at each config path names."""
        found: References = {}
        for package, document in self.documents.values():
            for path, target in document.references.items():
                is_written = path in document.written
                found[join(package, path)] = target if is_written else join(package, target)
        return found


class LateDocuments(Mapping[str, "tuple[str, Document]"]):
    """The documents of a composition, of which most commands need none.

    Args:
        pickled: a pickle of them, with at least one.
    """

    def __init__(self, pickled: bytes) -> None:
        self.pickled = pickled

    @cached_property
    def of(self) -> dict[str, tuple[str, Document]]:
        found: dict[str, tuple[str, Document]] = pickle.loads(self.pickled)
        return found

    def __getitem__(self, name: str) -> tuple[str, Document]:
        return self.of[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.of)

    def __len__(self) -> int:
        return len(self.of)

    def __bool__(self) -> bool:
        return True


CURRENT: ContextVar[Composition | None] = ContextVar("forgather_composition", default=None)
LOOKING: ContextVar[LookedUp | None] = ContextVar("forgather_looking", default=None)
_RECORD = "record of templates"  # no resolver has a blank in its name


@dataclass(frozen=True)
class Composed:
    """A configuration, ``hydra`` included, and the record of its composition."""

    cfg: DictConfig
    record: Composition

    @classmethod
    def of(cls, cfg: DictConfig) -> Composed:
        """A configuration that has come back from Hydra, or a copy of it, with its record."""
        return cls(cfg, OmegaConf.get_cache(cfg).get(_RECORD) or Composition())

    def for_hydra(self) -> DictConfig:
        """The configuration, in which `of` finds the record again.

        Hydra hands on configurations alone, and copies them on the way. What their resolvers have
        kept goes along with each copy, and so does what stands beside it.
        """
        OmegaConf.get_cache(self.cfg)[_RECORD] = self.record
        return self.cfg


@contextmanager
def recording(composition: Composition) -> Iterator[Composition]:
    """While this is open, templates tell `composition` what they do."""
    token = CURRENT.set(composition)
    try:
        yield composition
    finally:
        CURRENT.reset(token)
