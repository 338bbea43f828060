"""What a render leaves: the text, its source map, and what was read and done on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from forgather_hydra.template.files import Source, Stamp, TemplateFile
from forgather_hydra.template.source_map import Origin, Place, SourceMap


class Reference(NamedTuple):
    """One template that another one uses.

    Attributes:
        user: the key of the other one; None for the template that is rendered.
        used: its own key.
        place: where it stands.
    """

    user: str | None
    used: str
    place: Place


class Handed(NamedTuple):
    """A block that goes to the parts which its configuration chooses.

    Attributes:
        name: of the block.
        source: the template that has it.
        file: the file of that.
        origin: the line of the block.
        hint: which templates have such a block.
    """

    name: str
    source: Source
    file: TemplateFile
    origin: Origin
    hint: str


@dataclass
class Rendered:
    """The outcome of a render.

    Attributes:
        text: the rendered text.
        source_map: from its lines back to template lines.
        assigned: what templates assigned to variables of ``ns``, pins not applied.
        files: the template files that took part, with their stamps.
        references: which template used which, in order.
        parents: the templates that those of a file extend, by the file's name.
        lookups: the names that were looked up, with the file of each, or None.
        is_fleeting: whether a template asked for the time, or for chance.
        looks_everywhere: whether it rests on all that the folders of templates hold.
        read: the variables of ``ns`` that templates read.
        blocks: the blocks of the template and its parents.
        handed: those that they have no place for, but the parts that it chooses may have.
    """

    text: str
    source_map: SourceMap
    assigned: dict[str, Any] = field(default_factory=dict)
    files: list[Stamp] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    parents: dict[str, list[str]] = field(default_factory=dict)
    lookups: dict[str, str | None] = field(default_factory=dict)
    is_fleeting: bool = False
    looks_everywhere: bool = False
    read: frozenset[str] = frozenset()
    blocks: frozenset[str] = frozenset()
    handed: tuple[Handed, ...] = ()
