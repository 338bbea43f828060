"""Warnings about what a template says to no effect."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from forgather_hydra.errors import ForgatherError, did_you_mean, misspelt, warn
from forgather_hydra.template.environment import TemplateEnvironment
from forgather_hydra.template.load import Load
from forgather_hydra.template.source_map import Origin

KINDS = frozenset(
    (
        *("text_outside_blocks", "unknown_block", "unused_template", "swallowed_line"),
        "unread_variable",
    )
)


class Finding(NamedTuple):
    """Something that a template says to no effect."""

    kind: str
    message: str
    hint: str | None
    origin: Origin


def report(environment: TemplateEnvironment, load: Load, errors: Collection[str]) -> None:
    """Warn of what is written without effect.

    Args:
        environment: of the templates.
        load: what they did.
        errors: those of `KINDS` that are errors.

    Raises:
        ForgatherError: the first of these.
    """
    checks = (_text_outside_blocks, _orphan_blocks, _unused_parts, _swallowed_lines, _misspelt)
    for checked in checks:
        for kind, message, hint, origin in checked(environment, load):
            if kind in errors:
                raise ForgatherError(kind, message, hint=hint).locate(origin)
            warn(kind, message, origin, hint)


def _text_outside_blocks(environment: TemplateEnvironment, load: Load) -> Iterator[Finding]:
    """The first line in each template; those below it are told by the same cure."""
    for child in load.parents:
        for line, text in environment.facts[child].outside[:1]:
            yield Finding(
                "text_outside_blocks",
                f"{text.strip()!r} has no effect: of a template that extends another one only "
                "blocks are used",
                _block_for(text, _inherited(environment, load, child)),
                _origin(load, child, line),
            )


def _block_for(text: str, blocks: set[str]) -> str:
    """The cure for text outside of blocks: the block of its key, if the parents have that."""
    key = re.match(r"\s*([\w-]+)\s*:", text)
    if key and key[1] in blocks:
        return f"write it into the block of this name: [{key[1]}], == super(), and what differs"
    near = key and did_you_mean(key[1], blocks)
    listed = f"write it into a block; the parents have {', '.join(sorted(blocks))}"
    return f"{near} {listed}" if near else listed


def _swallowed_lines(environment: TemplateEnvironment, load: Load) -> Iterator[Finding]:
    for key in sorted(load.used & {*environment.facts}):
        for line, taken in environment.facts[key].swallowed:
            yield Finding(
                "swallowed_line",
                f"this line of a text is taken for {taken}, and is no part of the text",
                "between lines '-- raw' and '-- endraw' it would be",
                _origin(load, key, line),
            )


def _misspelt(environment: TemplateEnvironment, load: Load) -> Iterator[Finding]:
    """Variables that nothing reads, beside one of nearly the same name that something does."""
    facts = {key: environment.facts[key] for key in sorted(load.used & {*environment.facts})}
    read = set().union(*(each.read for each in facts.values()))
    for key, each in facts.items():
        for name, line in each.assigned.items():
            near = None if name in read else misspelt(name, read)
            if near:
                message = f"no template reads ns.{name}"
                hint = f"did you mean ns.{near}?"
                yield Finding("unread_variable", message, hint, _origin(load, key, line))


def read_variables(environment: TemplateEnvironment, load: Load) -> frozenset[str]:
    """The variables of ``ns`` that templates read, or would read under another condition."""
    facts = (environment.facts[key] for key in load.used & {*environment.facts})
    return frozenset(load.read).union(*(each.read for each in facts))


def _inherited(environment: TemplateEnvironment, load: Load, child: str) -> set[str]:
    """The names of the blocks that a template's parents have."""
    return set().union(*(environment.facts[p].blocks for p in _ancestors(load, child)))


def _orphan_blocks(environment: TemplateEnvironment, load: Load) -> Iterator[Finding]:
    for child in load.parents:
        inherited = _inherited(environment, load, child)
        for block, (line, depth) in environment.facts[child].blocks.items():
            if depth == 0 and block not in inherited:
                yield Finding(
                    "unknown_block",
                    f"the block {block!r} has no effect: no parent template has one of this name",
                    did_you_mean(block, inherited) or _elsewhere(environment, load, block),
                    _origin(load, child, line),
                )


def _elsewhere(environment: TemplateEnvironment, load: Load, block: str) -> str | None:
    """Which other templates have the block, if any do."""
    has_it = re.compile(rf"(?m)^[ \t]*(?:-- block {block}\b|\[{block}!?\])").search
    search_path = environment.search_path
    others = [
        name for name in search_path.names() if name[-5:] == ".yaml" and name not in load.used
    ]
    files = {name: search_path.get(name) for name in others}
    found = [name for name, file in files.items() if file and has_it(file.sources[0].text)]
    return f"it is a block of {' and of '.join(found[:2])}" if found else None


def _unused_parts(environment: TemplateEnvironment, load: Load) -> Iterator[Finding]:
    referenced = set().union(
        *(environment.facts[key].references for key in load.used if key in environment.facts)
    )
    for source in load.parts.values():
        if source.key not in load.used and source.name not in referenced:
            place = source.place
            yield Finding(
                "unused_template",
                f"the text below the marker of sub-template {source.name!r} is used nowhere",
                f"use it: -- include '{source.name}'; or, if the line is meant as a comment, leave "
                "out the dashes on one side of the word",
                Origin(place.template, place.offset, place.file),
            )


def _ancestors(load: Load, child: str) -> list[str]:
    chain = []
    while child in load.parents and load.parents[child] not in chain:
        child = load.parents[child]
        chain.append(child)
    return chain


def _origin(load: Load, key: str, line: int) -> Origin:
    place = load.places[key]
    return Origin(place.template, line + place.offset, place.file)
