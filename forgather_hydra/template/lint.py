"""Warnings about what a template says to no effect."""

from __future__ import annotations

import warnings

from forgather_hydra.errors import ForgatherError, ForgatherWarning, did_you_mean
from forgather_hydra.template.environment import TemplateEnvironment
from forgather_hydra.template.load import Load
from forgather_hydra.template.source_map import Origin


def report(environment: TemplateEnvironment, load: Load, strict: bool) -> None:
    """Warn of blocks and sub-templates without effect; raise the first one if `strict`."""
    for kind, message, hint, origin in [
        *_orphan_blocks(environment, load),
        *_unused_parts(environment, load),
    ]:
        if strict:
            raise ForgatherError(kind, message, hint=hint).locate(origin)
        text = f"{message} ({hint})" if hint else message
        warnings.warn_explicit(text, ForgatherWarning, origin.file or origin.template, origin.line)


def _orphan_blocks(
    environment: TemplateEnvironment, load: Load
) -> list[tuple[str, str, str | None, Origin]]:
    found = []
    for child in load.parents:
        inherited = set().union(*(environment.facts[p].blocks for p in _ancestors(load, child)))
        for block, (line, depth) in environment.facts[child].blocks.items():
            if depth == 0 and block not in inherited:
                message = (
                    f"the block {block!r} has no effect: no parent template has one of this name"
                )
                found.append(
                    (
                        "unknown_block",
                        message,
                        did_you_mean(block, inherited),
                        _origin(load, child, line),
                    )
                )
    return found


def _unused_parts(
    environment: TemplateEnvironment, load: Load
) -> list[tuple[str, str, str | None, Origin]]:
    referenced = set().union(
        *(environment.facts[key].references for key in load.used if key in environment.facts)
    )
    found: list[tuple[str, str, str | None, Origin]] = []
    for source in load.parts.values():
        if source.key not in load.used and source.name not in referenced:
            message = f"the text below the marker of sub-template {source.name!r} is used nowhere"
            hint = "if the line is meant as a comment, leave out the dashes on one side of the word"
            found.append(
                (
                    "unused_template",
                    message,
                    hint,
                    Origin(source.place.template, source.place.offset, source.place.file),
                )
            )
    return found


def _ancestors(load: Load, child: str) -> list[str]:
    chain = []
    while child in load.parents and load.parents[child] not in chain:
        child = load.parents[child]
        chain.append(child)
    return chain


def _origin(load: Load, key: str, line: int) -> Origin:
    place = load.places[key]
    return Origin(place.template, line + place.offset, place.file)
