"""Blocks of a template that its parents have not: for the parts that a configuration chooses.

An experiment names its model, data and trainer in a defaults list, and each of these is rendered
apart. What the experiment says in a block of one of them stands there as if it extended that part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from jinja2.runtime import Context

from forgather_hydra.template.environment import TemplateEnvironment
from forgather_hydra.template.load import Load
from forgather_hydra.template.rendered import Handed

_CHOOSES = re.compile(r"(?m)^defaults:")


class Handover(NamedTuple):
    """What a configuration hands to the parts that it chooses.

    Attributes:
        blocks: the most derived ones first.
        variables: what it assigns to ``ns``, as (name, value); its blocks may read them.
    """

    blocks: tuple[Handed, ...] = ()
    variables: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What tells two of them apart."""
        return *((b.file.stamp, b.source.key, b.name) for b in self.blocks), repr(self.variables)


def can_hand_over(text: str) -> bool:
    """Whether a rendered text chooses parts."""
    return _CHOOSES.search(text) is not None


def hand_over(
    handed: Handover, context: Context, environment: TemplateEnvironment, load: Load
) -> None:
    """Put the blocks before those of the template that is about to be rendered."""
    for each in reversed(handed.blocks):
        load.enter(each.file)
        load.used.add(each.source.key)
        function = environment.compiled(each.source).blocks[each.name]
        context.blocks.setdefault(each.name, []).insert(0, function)


def blocks_to_hand_over(environment: TemplateEnvironment, load: Load, entry: str) -> list[Handed]:
    """The blocks of a template and its parents that these have no place for, but others have.

    Args:
        environment: of the templates.
        load: what they did.
        entry: the key of the template that was rendered.
    """
    chain = [entry, *load.ancestors(entry)]
    blocks = {key: environment.facts[key].blocks for key in chain}
    highest = {name: key for key in chain for name in blocks[key]}
    places = {
        name: found
        for name, key in highest.items()
        if key != chain[-1]
        and blocks[key][name][1] == 0
        and (found := where_blocks_are(environment, load, name))
    }
    return [
        Handed(
            name,
            load.sources[key],
            load.files[key],
            load.origin(key, blocks[key][name][0]),
            f"it is a block of {' and of '.join(places[name][:2])}",
        )
        for name in places
        for key in chain
        if name in blocks[key]
    ]


def where_blocks_are(environment: TemplateEnvironment, load: Load, block: str) -> list[str]:
    """The templates that have a block of a name, besides those that took part."""
    has_it = re.compile(rf"(?m)^[ \t]*(?:-- block {block}\b|\[{block}!?\])").search
    found = [name for name, text in _others(environment, load) if has_it(text)]
    return sorted(found, key=lambda name: name.startswith("experiment/"))


def all_blocks(environment: TemplateEnvironment, load: Load) -> set[str]:
    """The names of the blocks of templates that did not take part."""
    names = re.compile(r"(?m)^[ \t]*(?:-- block |\[)(\w+)\b").findall
    return {name for _, text in _others(environment, load) for name in names(text)}


def _others(environment: TemplateEnvironment, load: Load) -> Iterator[tuple[str, str]]:
    load.looks_everywhere = True
    search_path = environment.search_path
    for name in search_path.names():
        if name.endswith(".yaml") and name not in load.used and (file := search_path.get(name)):
            yield name, file.sources[0].text
