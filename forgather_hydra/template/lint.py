"""Warnings about what a template says to no effect."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import chain
from typing import NamedTuple

from forgather_hydra.errors import ForgatherError, did_you_mean, misspelt, warn
from forgather_hydra.template.environment import TemplateEnvironment
from forgather_hydra.template.handed import all_blocks, where_blocks_are
from forgather_hydra.template.load import Load
from forgather_hydra.template.rendered import Handed
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


def report(
    environment: TemplateEnvironment,
    load: Load,
    errors: Collection[str],
    handed: Collection[Handed] = (),
) -> None:
    """Warn of what is written without effect.

    Args:
        environment: of the templates.
        load: what they did.
        errors: those of `KINDS` that are errors.
        handed: the blocks that have their effect elsewhere.

    Raises:
        ForgatherError: the first of these.
    """
    found = (
        _text_outside_blocks(environment, load),
        _orphan_blocks(environment, load, handed),
        _unused_parts(environment, load),
        _swallowed_lines(environment, load),
        _lists_as_headers(environment, load),
        _misspelt(environment, load),
    )
    for kind, message, hint, origin in chain.from_iterable(found):
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
                load.origin(child, line),
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
                load.origin(key, line),
            )


def _lists_as_headers(environment: TemplateEnvironment, load: Load) -> Iterator[Finding]:
    for key in sorted(load.used & {*environment.facts}):
        for line, word in environment.facts[key].lists:
            message = f"[{word}] is taken for the header of a block, and the key above has no value"
            hint = f"write [ {word} ] for a list"
            yield Finding("swallowed_line", message, hint, load.origin(key, line))


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
                yield Finding("unread_variable", message, hint, load.origin(key, line))


def read_variables(environment: TemplateEnvironment, load: Load) -> frozenset[str]:
    """The variables of ``ns`` that templates read, or would read under another condition."""
    facts = (environment.facts[key] for key in load.used & {*environment.facts})
    return frozenset(load.read).union(*(each.read for each in facts))


def _inherited(environment: TemplateEnvironment, load: Load, child: str) -> set[str]:
    """The names of the blocks that a template's parents have."""
    return set().union(*(environment.facts[p].blocks for p in load.ancestors(child)))


def _orphan_blocks(
    environment: TemplateEnvironment, load: Load, handed: Collection[Handed]
) -> Iterator[Finding]:
    elsewhere = {(each.source.key, each.name) for each in handed}
    for child in load.parents:
        inherited = _inherited(environment, load, child)
        for block, (line, depth) in environment.facts[child].blocks.items():
            if depth == 0 and block not in inherited and (child, block) not in elsewhere:
                yield Finding(
                    "unknown_block",
                    f"the block {block!r} has no effect: no parent template has one of this name",
                    _place_of_block(environment, load, block, inherited),
                    load.origin(child, line),
                )


def _place_of_block(
    environment: TemplateEnvironment, load: Load, block: str, inherited: set[str]
) -> str | None:
    if near := did_you_mean(block, inherited):
        return near
    if places := where_blocks_are(environment, load, block):
        return f"it is a block of {' and of '.join(places[:2])}"
    return did_you_mean(block, all_blocks(environment, load))


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
