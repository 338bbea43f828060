"""Where a mistake was made: the override that made it, or the line."""

from __future__ import annotations

import os
import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.asked import choice_of
from forgather_hydra.config.claim import is_template_file
from forgather_hydra.config.composition import Composed, Composition
from forgather_hydra.config.difference import leaves
from forgather_hydra.config.explain import layers
from forgather_hydra.config.given import task_overrides
from forgather_hydra.config.package import join
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.config.references import definition_of
from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.graph.value_types import CALLED, MADE
from forgather_hydra.paths import library_dirs
from forgather_hydra.template.source_map import Origin

PREFLIGHT = "preflight"
TO_CALL = "main: !partial:module:function, which is called"
_NOT_FOUND = re.compile(r"Interpolation key '([\w.]+)' not found")
_UNSET = re.compile(r"Environment variable '(\w+)' not found")
_NO_RESOLVER = re.compile(r"Unsupported interpolation type ([\w.]+)")
_RESOLVERS = ("oc.env", "oc.select", "oc.decode", "now", "hydra", "fg.tuple", "fg.is_set")


# Hints for files, and what they are on a command line, which has no tags.
_AS_OVERRIDES: dict[str | None, str] = {
    CALLED: "a mapping makes it: {_target_: module.name, _partial_: true}",
    MADE: "a mapping makes it: {_target_: module.name}",
    TO_CALL: "a mapping makes one: {_target_: module.function, _partial_: true}",
}


def traced(problem: ForgatherError, overrides: list[str], record: Composition) -> ForgatherError:
    """The problem, placed at the override that brought the value, else at the value's own line."""
    at = path = definition_of_value(problem.path or "", overrides, record)
    if problem.key is not None:
        at = definition_of(f"{problem.path}.{problem.key}", record.references)
        path = at.rpartition(".")[0]
    problem.path = path
    keys = (place[len(path) + 1 :] for place in record.positions if place.startswith(f"{path}."))
    has_keys = any(not key.partition(".")[0].isdigit() for key in keys)
    for override in reversed(parsed_overrides(overrides)):
        target = definition_of(override.key_or_group, record.references)
        is_mapping = isinstance(override.value(), dict)
        if target == at != path:  # an argument that was added: at the call's own line
            problem.path = override.input_line
            break
        is_how = target in (f"{path}._target_", f"{path}._partial_")
        is_how |= not has_keys and target.startswith(f"{path}.")  # it was a plain value
        if target == path or is_how or (is_mapping and path.startswith(f"{target}.")):
            problem.template, problem.path = None, override.input_line
            problem.hint = _AS_OVERRIDES.get(problem.hint, problem.hint)
            return problem
    marks = record.positions.get(at) or record.positions.get(path)
    if marks and (origin := marks[-1].origin):
        problem.template, problem.file, problem.line = origin.template, origin.file, origin.line
    return problem


def definition_of_value(path: str, overrides: list[str], record: Composition) -> str:
    """The place that has the value at a path, which may be a reference that nothing overrides."""
    given = {
        definition_of(override.key_or_group, record.references)
        for override in parsed_overrides(overrides)
    }
    seen = {path := definition_of(path, record.references)}
    while path not in given and path in record.references:
        path = definition_of(record.references[path], record.references)
        if path in seen:
            break
        seen.add(path)
    return path


def placed(
    error: ForgatherError, cfg: DictConfig, record: Composition, key: str | None
) -> ForgatherError:
    """The refusal, placed at the overrides of what was checked, else at the lines that set it.

    A check ``preflight.model`` looks at the sections that its arguments refer to, and at what was
    chosen from the group ``model`` and the groups below it. Wrong in a section is its `key`, if
    that is given, or else what the message names.
    """
    place = error.path or PREFLIGHT
    subject = place.removeprefix(f"{PREFLIGHT}.").partition(".")[0]
    sections = [to for at, to in record.references.items() if f"{at}.".startswith(f"{place}.")]
    words = [key] if key else re.findall(r"\w+", error.message)
    named = [f"{at}.{word}" for word in words for at in sections if word in _values(cfg, at)]
    changes = {}
    overrides = task_overrides(cfg.hydra)
    for override in parsed_overrides(overrides):
        changed = override.key_or_group
        target = definition_of(changed, record.references)
        is_choice = changed == subject or changed.startswith(f"{subject}/")
        is_looked_at = any(f"{target}.".startswith(f"{section}.") for section in sections)
        is_meant = key is not None and changed.rpartition(".")[2] == key
        if is_meant or target in named or (not named and (is_choice or is_looked_at)):
            changes[target] = str(override.input_line)
    if named and not changes:
        error.path = next((path for path in named if path in record.positions), named[0])
        return traced(error, [], record)
    if not changes and (choice := choice_of(f"{PREFLIGHT}/{subject}", overrides, record)):
        if isinstance(choice, Origin):
            error.path = None
            return error.locate(choice)
        changes[choice] = choice
    error.path = " ".join(changes.values()) or place
    if any(target != subject for target in changes):
        return error
    file = f"{subject}/{cfg.hydra.runtime.choices.get(subject)}.yaml"
    return error.locate(_line_below(sections, file, cfg, record))


def _line_below(
    sections: list[str], file: str, cfg: DictConfig, record: Composition
) -> Origin | None:
    """A line that sets something in the sections: of an experiment's own, else of a file."""
    whole = [s for s in sections if OmegaConf.is_config(OmegaConf.select(cfg, s))]
    for section in sections:
        steps = [*layers(section, cfg, record)] if section not in whole else []
        if len(steps) > 1:  # somebody has changed this one
            return steps[-1].origin
    found = None
    for name, (package, document) in record.documents.items():
        for path, marks in document.positions.items():
            place = join(package, path)
            is_below = any(f"{place}.".startswith(f"{s}.") for s in sections)
            origin = marks[-1].origin if is_below else None
            if origin and origin.template == file:
                found = found or origin
            elif origin and place not in whole and name.startswith(("experiment/", "project/")):
                return origin
    return found


def _values(cfg: DictConfig, section: str) -> set[Any]:
    """The keys of a section that have plain values."""
    found: Any = OmegaConf.select(cfg, section, throw_on_missing=False)
    if not OmegaConf.is_dict(found):
        return set()
    return {key for key in found if not OmegaConf.is_config(found._get_node(key))}


def unreadable(
    error: ForgatherError, cfg: DictConfig, overrides: list[str], record: Composition
) -> ForgatherError:
    """The error of a value that cannot be read, placed at the override that made it so."""
    target = record.references.get(error.path or "")
    missing = _NOT_FOUND.search(error.message)
    for override in parsed_overrides(overrides):
        deleted = override.key_or_group
        names = filter(None, (target, missing and missing[1]))
        if override.is_delete() and any(f"{name}.".startswith(f"{deleted}.") for name in names):
            error.message = f"{error.path} refers to what is deleted"
            error.hint = f"set {error.path} as well, or leave {override.input_line} out"
            error.template, error.path = None, override.input_line
            return error
    if missing:
        raw: Any = OmegaConf.to_container(cfg, resolve=False)
        paths = [path for path, _ in leaves(raw) if not path.startswith("hydra.")]
        error.hint = did_you_mean(missing[1], paths) or error.hint
    elif unset := _UNSET.search(error.message):
        error.hint = f"set it, or give a value for without it: ${{oc.env:{unset[1]},VALUE}}"
    elif unknown := _NO_RESOLVER.search(error.message):
        error.hint = did_you_mean(unknown[1], _RESOLVERS) or f"there are {', '.join(_RESOLVERS)}"
    return traced(error, overrides, record) if error.path else error


def choice_behind(problem: ForgatherError, overrides: list[str], record: Composition) -> str | None:
    """The override that chose the file of a problem, if that file is not for the user to edit."""
    folders = tuple(f"{folder}{os.sep}" for folder in library_dirs())
    is_placed = problem.template is not None and problem.path not in overrides
    if not is_placed or problem.file is None or not problem.file.startswith(folders):
        return None
    for override in parsed_overrides(overrides):
        for name, (_, document) in record.documents.items():
            is_chosen = name.startswith(f"{override.key_or_group}/")
            if is_chosen and problem.file in [stamp[0] for stamp in document.rendered.files]:
                return str(override.input_line)
    return None


def last_line(path: str, is_value: bool, job: Composed) -> Origin | None:
    """The line that won: of a value any, of what is wrong within a call that of a plain file.

    Templates tell the lines of calls themselves.
    """
    steps = [*layers(path, job.cfg, job.record)]
    last = steps[-1].origin if steps else None
    is_plain = last and not is_template_file(last.file or last.template)
    return last if is_value or is_plain else None
