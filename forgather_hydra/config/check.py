"""Check a composed job before it starts: names, arguments, and what it wants checked itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from forgather_hydra.config.claim import is_template_file
from forgather_hydra.config.composition import Composed, Composition
from forgather_hydra.config.decode import from_omegaconf
from forgather_hydra.config.explain import layers
from forgather_hydra.config.given import hydra_config, task_overrides
from forgather_hydra.config.package import join
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.config.place import contradiction
from forgather_hydra.config.policy import allowed_targets, check_policy
from forgather_hydra.config.references import definition_of
from forgather_hydra.config.refused_values import refused_values
from forgather_hydra.config.unread import unread, unread_variables
from forgather_hydra.errors import ForgatherError, error_like, misspelt, warn
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.check import problems, raise_all
from forgather_hydra.paths import modelsrc_dir
from forgather_hydra.template.source_map import Origin

PREFLIGHT = "preflight"


def check_job(job: Composed, is_swept: bool = False) -> None:
    """Check the graph of a composed configuration, and construct its target ``preflight``, if any.

    Args:
        job: the configuration, and its record.
        is_swept: whether it is that of a job of a sweep.

    Raises:
        ForgatherError: ``security`` for what must not be imported, one error that tells all wrong
            names and arguments, or what a construction of ``preflight`` raised.
    """
    cfg, record = job.cfg, job.record
    graph = record.graph = _checked_graph(job, is_swept)
    overrides = task_overrides(cfg.hydra)
    check_policy(graph, allowed_targets(cfg), overrides)
    found = [
        *_problems_of(graph, job),
        *_misspelt_additions(cfg, overrides, record),
    ]
    # Values are tried only where names and types are right.
    raise_all(found or [_traced(each, overrides, record) for each in refused_values(graph)])
    if (two_places := contradiction(cfg, is_swept)) is not None:
        raise _traced(two_places, overrides, record)
    _tell_unread(cfg, record)
    if isinstance(graph, dict) and PREFLIGHT in graph:
        _construct_preflight(graph, job)


def static_problems_of_job(job: Composed) -> Iterator[ForgatherError]:
    """The problems of a composed configuration that can be told without importing what it names."""
    from forgather_hydra.graph.static.check import static_problems

    overrides = task_overrides(job.cfg.hydra)
    for problem in static_problems(decoded_job(job)):
        yield _traced(problem, overrides, job.record)
    yield from _misspelt_additions(job.cfg, overrides, job.record)
    _tell_unread(job.cfg, job.record)


def _checked_graph(job: Composed, is_swept: bool) -> Any:
    """The graph; if what is made to check it cannot be read, the problems that this comes from."""
    try:
        return decoded_job(job, is_swept)
    except ForgatherError:
        if PREFLIGHT in job.cfg:
            without = OmegaConf.masked_copy(
                job.cfg, [str(key) for key in job.cfg if key != PREFLIGHT]
            )
            raise_all(_problems_of(decoded_job(Composed(without, job.record), is_swept), job))
        raise


def _problems_of(graph: Any, job: Composed) -> Iterator[ForgatherError]:
    """Each wrong name, argument and type, placed where it was written."""
    own = OmegaConf.select(job.cfg, "model.part_dirs", throw_on_missing=False)
    part_dirs = [*(own if OmegaConf.is_list(own) else ()), str(modelsrc_dir())]
    overrides = task_overrides(job.cfg.hydra)
    message = set()
    for problem in problems(graph, part_dirs):
        place = _definition_of_value(problem.path or "", overrides, job.record)
        if (place, problem.key) in message:  # what is wrong there is so wherever it is used
            continue
        message.add((place, problem.key))
        traced = _traced(problem, overrides, job.record)
        if traced.template and (origin := _last_line(place, job)):
            traced.template = None
            traced.locate(origin)
        yield traced


def _last_line(path: str, job: Composed) -> Origin | None:
    """The line that won, if a plain file has it: templates tell their own."""
    steps = [*layers(path, job.cfg, job.record)]
    last = steps[-1].origin if steps else None
    is_plain = last and not is_template_file(last.file or last.template)
    return last if is_plain else None


def _tell_unread(cfg: DictConfig, record: Composition) -> None:
    raw: Any = OmegaConf.to_container(cfg, resolve=False)
    for key, origin, hint in unread(cfg, raw, record):
        message = f"nothing reads the root key {key!r}"
        if record.strict or origin is None:
            raise ForgatherError("unknown_key", message, hint=hint).locate(origin)
        warn("unknown_key", message, origin, hint)
    for key, origin, hint in unread_variables(cfg, raw, record):
        if record.strict:
            raise ForgatherError("unread_variable", f"nothing reads {key}", hint=hint).locate(
                origin
            )
        warn(
            "unread_variable", f"nothing reads {key}", origin or Origin("the command line", 1), hint
        )


def _misspelt_additions(
    cfg: DictConfig, overrides: list[str], record: Composition
) -> Iterator[ForgatherError]:
    """An error for each key that an override adds to a plain section, beside one of nearly the same
    name. Sections that are read whole are judged by who reads them.
    """
    read = set(record.references.values())
    for override in parsed_overrides(overrides):
        path = definition_of(override.key_or_group, record.references)
        section, _, name = path.rpartition(".")
        home: Any = OmegaConf.select(cfg, section) if section and override.is_add() else None
        if (
            not OmegaConf.is_dict(home)
            or "_target_" in home
            or not read.isdisjoint((section, path))
        ):
            continue
        if near := misspelt(name, (key for key in home if key != name)):
            message = f"{override.input_line}: nothing reads {path}"
            hint = f"did you mean {section}.{near}?"
            yield ForgatherError("unknown_key", message, hint=hint)


def _construct_preflight(graph: Any, job: Composed) -> None:
    try:
        materialize(graph, targets=PREFLIGHT)
    except ForgatherError as error:
        cause = error.__cause__
        if not isinstance(cause, (ValueError, TypeError, OSError)):
            raise
        message = error_like(cause, "preflight_failed", str(cause), path=error.path)
        raise _placed(message, job.cfg, job.record, getattr(cause, "key", None)) from cause


def _placed(
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
    for override in parsed_overrides(task_overrides(cfg.hydra)):
        changed = override.key_or_group
        target = definition_of(changed, record.references)
        is_choice = changed == subject or changed.startswith(f"{subject}/")
        is_looked_at = any(f"{target}.".startswith(f"{section}.") for section in sections)
        if target in named or (not named and (is_choice or is_looked_at)):
            changes[target] = str(override.input_line)
    if named and not changes:
        error.path = next((path for path in named if path in record.positions), named[0])
        return _traced(error, [], record)
    error.path = " ".join(changes.values()) or place
    if any(target != subject for target in changes):
        return error
    file = f"{subject}/{cfg.hydra.runtime.choices.get(subject)}.yaml"
    return error.locate(_line_below(sections, file, record))


def _line_below(sections: list[str], file: str, record: Composition) -> Origin | None:
    """A line that sets something in the sections: of an experiment's own, else of a file."""
    found = None
    for name, (package, document) in record.documents.items():
        for path, marks in document.positions.items():
            place = join(package, path)
            is_below = any(f"{place}.".startswith(f"{s}.") for s in sections)
            origin = marks[-1].origin if is_below else None
            if origin and origin.template == file:
                found = found or origin
            elif origin and place not in sections and name.startswith(("experiment/", "project/")):
                return origin
    return found


def _values(cfg: DictConfig, section: str) -> set[Any]:
    """The keys of a section that have plain values."""
    found: Any = OmegaConf.select(cfg, section, throw_on_missing=False)
    if not OmegaConf.is_dict(found):
        return set()
    return {key for key in found if not OmegaConf.is_config(found._get_node(key))}


def decoded_job(job: Composed, is_swept: bool = False) -> Any:
    """The graph of a composed configuration that has not been run.

    What Hydra knows only at run time is not there yet, so the working directory stands for the
    output directory, and in a sweep the first job's number for that of each.

    Args:
        job: the configuration, and its record.
        is_swept: whether it is that of a job of a sweep.
    """
    with _planned(job.cfg, is_swept), hydra_config(job.cfg):
        return from_omegaconf(job.cfg, job.record.positions, without=["hydra"])


@contextmanager
def _planned(cfg: DictConfig, is_swept: bool) -> Iterator[None]:
    """While this is open, what Hydra knows only at run time has values that stand for it."""
    places: list[tuple[Any, str, Any]] = [(cfg.hydra.runtime, "output_dir", ".")]
    if is_swept and OmegaConf.is_missing(cfg.hydra.job, "num"):
        places += [(cfg.hydra.job, "num", 0), (cfg.hydra.job, "id", "0")]
    before = [(place, key, place._get_node(key)._value()) for place, key, _ in places]
    _set(cfg, places)
    try:
        yield
    finally:
        _set(cfg, before)


def _set(cfg: DictConfig, places: list[tuple[Any, str, Any]]) -> None:
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        for place, key, value in places:
            place[key] = value


def _definition_of_value(path: str, overrides: list[str], record: Composition) -> str:
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


def _traced(problem: ForgatherError, overrides: list[str], record: Composition) -> ForgatherError:
    """The problem, placed at the override that brought the value, else at the value's own line."""
    at = path = _definition_of_value(problem.path or "", overrides, record)
    if problem.key is not None:
        at = definition_of(f"{problem.path}.{problem.key}", record.references)
        path = at.rpartition(".")[0]
    problem.path = path
    for override in reversed(parsed_overrides(overrides)):
        target = definition_of(override.key_or_group, record.references)
        is_mapping = isinstance(override.value(), dict)
        if target == at != path:  # an argument that was added: at the call's own line
            problem.path = override.input_line
            break
        if target == path or (is_mapping and path.startswith(f"{target}.")):
            problem.template, problem.path = None, override.input_line
            return problem
    marks = record.positions.get(at) or record.positions.get(path)
    if marks and (origin := marks[-1].origin):
        problem.template, problem.file, problem.line = origin.template, origin.file, origin.line
    return problem
