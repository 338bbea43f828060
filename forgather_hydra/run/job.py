"""The job: a composed configuration to a graph, and its target ``main`` constructed or called."""

from __future__ import annotations

import logging
import os
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


def run(cfg: DictConfig) -> Any:
    """Run the job of a composed configuration in Hydra's output directory.

    Returns:
        What target ``main`` returns; of a dict, the entry ``optimized_metric`` names, if any.
    """
    run_dir = Path(HydraConfig.get().runtime.output_dir)
    is_first = os.environ.get("RANK", "0") == "0"  # which keeps the records of the run
    try:
        return _run_in(run_dir, cfg, is_first)
    finally:
        if is_first:
            run_record.put_back_configuration(run_dir)


def _run_in(run_dir: Path, cfg: DictConfig, is_first: bool) -> Any:
    hydra: Any = HydraConfig.get()
    overrides = task_overrides(hydra)
    templates = Composed.of(cfg).record
    graph = from_omegaconf(cfg, templates.positions)
    check_policy(graph, allowed_targets(cfg), overrides)
    if not isinstance(graph, dict) or "main" not in graph:
        raise _nothing_to_run(hydra.runtime.choices.get("project"))
    before = run_record.read(run_dir)
    if (
        before
        and before["status"] == State.FINISHED
        and cfg.get("resume")
        and before["signature"] == signature(cfg)
    ):
        log.info("%s is finished already; nothing to do", run_dir)
        return _metric(cfg, before.get("result"))
    if not is_first:
        return _metric(cfg, _result(graph))
    with run_record.lock(run_dir):
        if before is None:
            snapshot(run_dir, graph, templates)
        record = run_record.begin(run_dir, signature(cfg), overrides)
        return _metric(cfg, _run(graph, run_dir, record))


def _run(graph: Any, run_dir: Path, record: dict[str, Any]) -> Any:
    status = State.FAILED
    result = None
    try:
        result = _result(graph)
        stopped = isinstance(result, dict) and result.get("stopped")
        status = State.STOPPED if stopped else State.FINISHED
    except KeyboardInterrupt:
        status = State.INTERRUPTED
        raise
    finally:
        run_record.end(
            run_dir,
            record,
            status,
            result=result if _is_recorded(result) else None,
        )
    return result


def _is_recorded(result: Any) -> bool:
    return isinstance(result, (dict, str)) or number(result) is not None


def _result(graph: Any) -> Any:
    main = materialize(graph, targets="main")
    # What a partial does when it is called is the job itself: its errors are its own.
    return main() if _is_partial(graph["main"]) else main


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
    told = f"{what} has no target 'main', so there is nothing to run"
    return ForgatherError("unknown_target", told, hint=hint)


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
