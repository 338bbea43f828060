"""Check a composed job before it starts: names, arguments, and what it wants checked itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.composition import Composed, Composition
from forgather_hydra.config.content import content
from forgather_hydra.config.decode import from_omegaconf
from forgather_hydra.config.edited import tell_edited
from forgather_hydra.config.given import hydra_config, task_overrides
from forgather_hydra.config.idle import tell_idle
from forgather_hydra.config.other_data import other_data
from forgather_hydra.config.output_dir import contradiction, no_place
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.config.placing import (
    PREFLIGHT,
    TO_CALL,
    choice_behind,
    definition_of_value,
    last_line,
    placed,
    traced,
    unreadable,
)
from forgather_hydra.config.planned import planned
from forgather_hydra.config.policy import allowed_targets, check_policy
from forgather_hydra.config.precision import other_precision
from forgather_hydra.config.references import definition_of
from forgather_hydra.config.refused_values import refused_values
from forgather_hydra.config.settings import wrong_settings
from forgather_hydra.config.unread import unread, unread_entries, unread_variables
from forgather_hydra.errors import ForgatherError, error_like, misspelt, warn
from forgather_hydra.garbage import pass_over_imports
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.check import problems, raise_all
from forgather_hydra.paths import modelsrc_dir
from forgather_hydra.template.source_map import Origin


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
        *wrong_settings(cfg, overrides),
        *_nothing_to_run(graph, job),
        *_said_once(_problems_of(graph, job)),
        *_misspelt_additions(cfg, overrides, record),
    ]
    # Values are tried only where names and types are right.
    raise_all(found or [_at_last_line(each, job) for each in refused_values(graph)])
    if (asked := other_precision(cfg)) is not None:
        raise asked
    if (wrong := contradiction(cfg, is_swept) or no_place(cfg) or other_data(cfg)) is not None:
        raise _placed_at_choice(traced(wrong, overrides, record), overrides, record)
    _tell_unread(cfg, record)
    tell_idle(cfg.hydra, is_swept)
    tell_edited(cfg)
    pass_over_imports()
    if isinstance(graph, dict) and PREFLIGHT in graph:
        _construct_preflight(graph, job)


def static_problems_of_job(job: Composed) -> Iterator[ForgatherError]:
    """The problems of a composed configuration that can be told without importing what it names."""
    from forgather_hydra.graph.static.check import static_problems

    overrides = task_overrides(job.cfg.hydra)
    for problem in static_problems(decoded_job(job)):
        yield traced(problem, overrides, job.record)
    yield from _misspelt_additions(job.cfg, overrides, job.record)
    _tell_unread(job.cfg, job.record)


def _checked_graph(job: Composed, is_swept: bool) -> Any:
    """The graph; if what is made to check it cannot be read, the problems that this comes from."""
    try:
        return decoded_job(job, is_swept)
    except ForgatherError as error:
        failure = error
    if PREFLIGHT in job.cfg:
        without = OmegaConf.masked_copy(job.cfg, [str(key) for key in job.cfg if key != PREFLIGHT])
        try:
            graph = decoded_job(Composed(without, job.record), is_swept)
        except ForgatherError as error:
            failure = error
        else:
            raise_all(_problems_of(graph, job))
    raise unreadable(failure, job.cfg, task_overrides(job.cfg.hydra), job.record)


def _problems_of(graph: Any, job: Composed) -> Iterator[ForgatherError]:
    """Each wrong name, argument and type, placed where it was written."""
    own = OmegaConf.select(job.cfg, "model.part_dirs", throw_on_missing=False)
    part_dirs = [*(own if OmegaConf.is_list(own) else ()), str(modelsrc_dir())]
    overrides = task_overrides(job.cfg.hydra)
    message = set()
    for problem in problems(graph, part_dirs):
        place = definition_of_value(problem.path or "", overrides, job.record)
        if (place, problem.key) in message:  # what is wrong there is so wherever it is used
            continue
        message.add((place, problem.key))
        is_of_part = not _is_of_preflight(problem)
        found = _at_last_line(problem, job)
        yield _placed_at_choice(found, overrides, job.record) if is_of_part else found


def _at_last_line(problem: ForgatherError, job: Composed) -> ForgatherError:
    """The problem, placed at the override that brought the value, else at the line that did."""
    overrides = task_overrides(job.cfg.hydra)
    place = definition_of_value(problem.path or "", overrides, job.record)
    found = traced(problem, overrides, job.record)
    if found.template and (origin := last_line(place, problem.key is None, job)):
        found.template = None
        found.locate(origin)
    return found


def _placed_at_choice(
    problem: ForgatherError, overrides: list[str], record: Composition
) -> ForgatherError:
    if choice := choice_behind(problem, overrides, record):
        problem.path = choice
    return problem


def _nothing_to_run(graph: Any, job: Composed) -> Iterator[ForgatherError]:
    main = graph.get("main", graph) if isinstance(graph, dict) else graph
    if isinstance(main, (bool, int, float, str, type(None))):
        message = f"there is nothing to run: main is {'null' if main is None else repr(main)}"
        error = ForgatherError("not_callable", message, path="main", hint=TO_CALL)
        yield traced(error, task_overrides(job.cfg.hydra), job.record)


def _said_once(problems: Iterable[ForgatherError]) -> Iterator[ForgatherError]:
    """The problems, without those of the check of a part that are the part's own."""
    found = list(problems)
    first = {p.key for p in found if not _is_of_preflight(p)}
    for problem in found:
        is_repeated = problem.key is not None and problem.key in first
        if not (_is_of_preflight(problem) and is_repeated):
            yield problem


def _is_of_preflight(problem: ForgatherError) -> bool:
    return f"{problem.path or ''}.".startswith(f"{PREFLIGHT}.")


def _tell_unread(cfg: DictConfig, record: Composition) -> None:
    raw = content(cfg)
    for key, origin, hint in unread(cfg, raw, record):
        message = f"nothing reads the root key {key!r}"
        if record.strict or origin is None:
            raise ForgatherError("unknown_key", message, hint=hint).locate(origin)
        warn("unknown_key", message, origin, hint)
    entries, variables = unread_entries(raw, record), unread_variables(cfg, raw, record)
    for kind, found in (("unknown_key", entries), ("unread_variable", variables)):
        for key, origin, hint in found:
            message = f"nothing reads {key}"
            if record.strict:
                raise ForgatherError(kind, message, hint=hint).locate(origin)
            warn(kind, message, origin or Origin("the command line", 1), hint)


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
        if not isinstance(cause, (ValueError, TypeError, OSError, ImportError)):
            raise
        message = error_like(cause, "preflight_failed", str(cause), path=error.path)
        raise placed(message, job.cfg, job.record, getattr(cause, "key", None)) from cause


def decoded_job(job: Composed, is_swept: bool = False) -> Any:
    """The graph of a composed configuration that has not been run.

    Args:
        job: the configuration, and its record.
        is_swept: whether it is that of a job of a sweep.
    """
    with hydra_config(planned(job.cfg, is_swept)):
        return from_omegaconf(job.cfg, job.record.positions, without=["hydra"])
