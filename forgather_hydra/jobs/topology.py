"""How many processes a job needs, and what each of them needs, from its composed configuration."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.check import decoded_job
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.imports import resolve, split_spec
from forgather_hydra.graph.nodes import Call, Shared, Var
from forgather_hydra.graph.walk import post_order

AUTO = "auto"
ONE, PIPELINE = "Trainer", "PipelineTrainer"
DATA_PARALLEL = "AccelTrainer"
ONE_STAGE = ("gpipe", "1f1b")  # schedules whose processes have one stage each


@dataclass(frozen=True)
class Topology:
    """The processes of a job.

    Attributes:
        trainer: which of our trainers the job uses; None if none.
        nodes: machines.
        procs: processes on each of them; None for as many as there are GPUs to be had.
        gpus_per_proc: None for one where there are GPUs.
        cpus_per_proc: None to leave it to who runs the job.
        mem_gb: memory on each node; None to leave it to the cluster.
        time_min: minutes after which a cluster ends the job.
        constraint: feature that nodes of a cluster must have.
        least: the fewest processes on a node that make sense, where `procs` is None.
    """

    trainer: str | None = None
    nodes: int = 1
    procs: int | None = 1
    gpus_per_proc: int | None = None
    cpus_per_proc: int | None = None
    mem_gb: float | None = None
    time_min: int = 60
    constraint: str | None = None
    least: int = 1

    @property
    def world_size(self) -> int:
        return self.nodes * (self.procs or 1)

    @property
    def gpus_per_node(self) -> int:
        return (self.procs or 1) * (self.gpus_per_proc or 0)

    def settled(self, gpus: int) -> Topology:
        """The same with what was left open, where a node has so many GPUs to give."""
        per_proc = min(gpus, 1) if self.gpus_per_proc is None else self.gpus_per_proc
        procs = max(gpus // per_proc if per_proc else 1, self.least)
        changes = {"gpus_per_proc": per_proc, "procs": self.procs or procs}
        return Topology(**{**self.__dict__, **changes})


def topology_of(cfg: DictConfig) -> Topology:
    """The topology of a composed job: its trainer, and its group `resources`.

    A configuration without that group, of another Hydra application, is one process.

    Raises:
        ForgatherError: ``bad_resources``, with everything that does not fit together.
    """
    wanted: Any = OmegaConf.select(cfg, "resources")
    if not OmegaConf.is_dict(wanted) or "nproc_per_node" not in wanted:
        return Topology()
    resources: dict[str, Any] = OmegaConf.to_container(wanted, resolve=True)  # type: ignore[assignment]
    kind, trainer = next(_trainers(decoded_job(cfg)), (None, None))
    pipelines = _pipelines(trainer) if kind == PIPELINE and trainer else None
    _check(resources, kind, pipelines)
    nodes, procs = resources["nodes"], resources["nproc_per_node"]
    least = 1
    if procs == AUTO:
        procs = 1 if kind in (ONE, None) else None
        if pipelines:
            procs, least = pipelines.processes_on(nodes), max(2 * pipelines.replicas // nodes, 1)
    gpus = resources["gpus_per_proc"]
    return Topology(
        trainer=kind,
        nodes=nodes,
        procs=procs,
        gpus_per_proc=None if gpus == AUTO else gpus,
        cpus_per_proc=resources["cpus_per_proc"],
        mem_gb=resources["mem_gb"],
        time_min=resources["time_min"],
        constraint=resources["constraint"],
        least=least,
    )


def _trainers(graph: Any) -> Iterator[tuple[str, Call]]:
    """Each trainer in a graph with its kind: that of ours which its class is, or derives from."""
    for element in post_order(graph):
        if not isinstance(element, Call) or split_spec(element.spec).is_relative:
            continue
        if isinstance(element.search_path, Var):
            continue
        try:
            found = resolve(element.spec, tuple(element.search_path or ()))
        except ForgatherError:
            continue  # told when it is constructed
        bases = inspect.getmro(found) if inspect.isclass(found) else ()
        ours = [b.__name__ for b in bases if b.__module__.startswith("forgather_hydra.train")]
        for kind in (PIPELINE, DATA_PARALLEL, ONE):
            if kind in ours:
                yield kind, element
                break


class Pipelines(NamedTuple):
    """What a pipeline trainer says about its processes.

    Attributes:
        processes: of one pipeline; None if that is as many as there are.
        replicas: pipelines.
    """

    processes: int | None
    replicas: int

    def processes_on(self, nodes: int) -> int | None:
        return self.processes and self.processes * self.replicas // nodes


def _pipelines(trainer: Call) -> Pipelines:
    asked = {k: v.value if isinstance(v, Shared) else v for k, v in trainer.kwargs.items()}
    layers = asked.get("stage_layers")
    each = asked.get("stages_per_process") or (1 if asked.get("schedule") in ONE_STAGE else 2)
    return Pipelines(len(layers) // each if layers else None, asked.get("replicas") or 1)


def _check(resources: dict[str, Any], kind: str | None, pipelines: Pipelines | None) -> None:
    problems = [
        f"{name} is {value!r}, but must be a whole number of {least} or more"
        for name, least in (("nodes", 1), ("nproc_per_node", 1), ("gpus_per_proc", 0))
        if (value := resources[name]) != AUTO or name == "nodes"
        if isinstance(value, bool) or not isinstance(value, int) or value < least
    ]
    if not problems:
        problems = list(_misfits(resources["nodes"], resources["nproc_per_node"], kind, pipelines))
    if problems:
        raise ForgatherError(
            "bad_resources",
            "; ".join(problems),
            path="resources",
            hint="see conf/resources/default.yaml for what each number means",
        )


def _misfits(
    nodes: int, procs: int | str, kind: str | None, pipelines: Pipelines | None
) -> Iterator[str]:
    processes = nodes * (1 if procs == AUTO else int(procs))
    if kind == ONE and processes > 1:
        yield f"Trainer is one process, not {processes}: choose trainer=accel, fsdp or pipeline"
    if pipelines is None:
        return
    wanted = (pipelines.processes or 1) * pipelines.replicas
    if procs == AUTO and wanted % nodes:
        yield f"{wanted} processes of the pipelines cannot be shared out to {nodes} nodes"
    elif procs != AUTO and pipelines.processes and processes != wanted:
        yield f"the stages of the pipelines are for {wanted} processes, not {processes}"
    elif procs != AUTO and processes % pipelines.replicas:
        yield f"{processes} processes cannot be shared out to {pipelines.replicas} pipelines"
