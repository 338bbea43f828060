"""The job: a composed configuration to a graph, and its target ``main`` constructed or called."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from forgather_hydra.config.composition import Composed
from forgather_hydra.config.decode import from_omegaconf
from forgather_hydra.config.given import task_overrides
from forgather_hydra.config.policy import allowed_targets, check_policy
from forgather_hydra.errors import ForgatherError, did_you_mean, error_like
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.nodes import Call
from forgather_hydra.graph.words import Kind
from forgather_hydra.run.signature import signature
from forgather_hydra.run.snapshot import snapshot
from forgather_hydra.rundir import record as run_record
from forgather_hydra.rundir.numbers import number
from forgather_hydra.rundir.states import State

log = logging.getLogger(__name__)


@dataclass
class _Attempt:
    """What the record of a run gets at its end."""

    result: Any = None

    @property
    def status(self) -> State:
        was_stopped = isinstance(self.result, dict) and self.result.get("stopped")
        return State.STOPPED if was_stopped else State.FINISHED


def run(cfg: DictConfig) -> Any:
    """Run the job of a composed configuration in Hydra's output directory.

    Returns:
        What target ``main`` returns; of a dict, the entry ``optimized_metric`` names, if any.
    """
    run_dir = Path(HydraConfig.get().runtime.output_dir)
    with _configuration_kept(run_dir):
        graph = _checked_graph(cfg)
        if former := _finished_before(run_dir, cfg):
            log.info("%s is finished already; nothing to do", run_dir)
            return _metric(cfg, former.get("result"))
        with _recorded(run_dir, cfg, graph) as attempt:
            main = materialize(graph, targets="main")
            # What a partial does when it is called is the job itself: its errors are its own.
            attempt.result = main() if _is_partial(graph["main"]) else main
        return _metric(cfg, attempt.result)


@contextmanager
def _configuration_kept(run_dir: Path) -> Iterator[None]:
    """Have a run that is refused before it begins keep the configuration it had."""
    try:
        yield
    finally:
        if _is_first():
            run_record.put_back_configuration(run_dir)


def _checked_graph(cfg: DictConfig) -> dict[str, Any]:
    """The graph of a job, with a target ``main``; nothing has been imported for it."""
    hydra: Any = HydraConfig.get()
    graph = from_omegaconf(cfg, Composed.of(cfg).record.positions)
    check_policy(graph, allowed_targets(cfg), task_overrides(hydra))
    if not isinstance(graph, dict) or "main" not in graph:
        raise _nothing_to_run(hydra.runtime.choices.get("project"))
    return graph


def _finished_before(run_dir: Path, cfg: DictConfig) -> dict[str, Any] | None:
    """The record of a run that is asked to go on, if it has done all of this already."""
    former = run_record.read(run_dir)
    is_done = (
        former
        and former["status"] == State.FINISHED
        and cfg.get("resume")
        and former["signature"] == signature(cfg)
    )
    return former if is_done else None


@contextmanager
def _recorded(run_dir: Path, cfg: DictConfig, graph: Any) -> Iterator[_Attempt]:
    """Keep the record of a run while it lasts; of several processes, the first one does."""
    attempt = _Attempt()
    if not _is_first():
        yield attempt
        return
    overrides = task_overrides(HydraConfig.get())  # type: ignore[arg-type]
    with run_record.lock(run_dir):
        former = run_record.read(run_dir)
        if former is None:
            snapshot(run_dir, graph, Composed.of(cfg).record)
        record = run_record.begin(run_dir, signature(cfg), overrides)
        status = State.FAILED
        try:
            yield attempt
            status = attempt.status
        except KeyboardInterrupt:
            status = State.INTERRUPTED
            raise
        finally:
            result = attempt.result if _can_be_written(attempt.result) else None
            run_record.end(run_dir, record, status, result=result)
            is_changed = former is not None and former["signature"] != record["signature"]
            if is_changed and run_dir.is_dir():  # one that failed is what it was again
                snapshot(run_dir, graph, Composed.of(cfg).record)


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _can_be_written(result: Any) -> bool:
    return isinstance(result, (dict, str)) or number(result) is not None


def _is_partial(main: Any) -> bool:
    return isinstance(main, Call) and main.kind == Kind.PARTIAL


def _nothing_to_run(project_config: str | None) -> ForgatherError:
    what, hint = (
        "the configuration",
        "choose an experiment: +experiment=baseline; --help lists them",
    )
    if project_config:
        what = f"the project's configuration {project_config}.yaml"
        hint = "give it a target 'main', which is constructed, and called if it is a !partial"
    message = f"{what} has no target 'main', so there is nothing to run"
    return ForgatherError("unknown_target", message, hint=hint)


def _metric(cfg: DictConfig, result: Any) -> Any:
    name = cfg.get("optimized_metric")
    if not name or not isinstance(result, dict) or result.get("stopped"):
        return result
    if name not in result:
        raise error_like(
            KeyError(),
            "unknown_key",
            f"optimized_metric={name}: the result of the job has no such entry",
            hint=did_you_mean(name, result) or f"it has {', '.join(map(str, result))}",
        )
    return result[name]
