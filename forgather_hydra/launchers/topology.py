"""How many processes a job needs, and what each of them needs, from its composed configuration."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.check import decoded_job
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.imports import resolve, split_spec
from forgather_hydra.graph.nodes import Call, Var
from forgather_hydra.graph.walk import post_order

AUTO = "auto"
ONE, DATA_PARALLEL, PIPELINE = "Trainer", "AccelTrainer", "PipelineTrainer"


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
    """

    trainer: str | None = None
    nodes: int = 1
    procs: int | None = 1
    gpus_per_proc: int | None = None
    cpus_per_proc: int | None = None
    mem_gb: float | None = None
    time_min: int = 60
    constraint: str | None = None

    @property
    def world_size(self) -> int:
        return self.nodes * (self.procs or 1)

    @property
    def gpus_per_node(self) -> int:
        return (self.procs or 1) * (self.gpus_per_proc or 0)

    def settled(self, gpus: int) -> Topology:
        """The same with what was left open, where a node has so many GPUs to give."""
        per_proc = min(gpus, 1) if self.gpus_per_proc is None else self.gpus_per_proc
        procs = max(gpus // per_proc, 1) if per_proc else 1
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
    trainers = list(_trainers(decoded_job(cfg)))
    kind, node = trainers[0] if trainers else (None, None)
    replicas = _replicas(node) if kind == PIPELINE and node is not None else 1
    _check(resources, kind, replicas)
    nodes, procs = resources["nodes"], resources["nproc_per_node"]
    if procs == AUTO:
        procs = None if kind in (DATA_PARALLEL, PIPELINE) else 1
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


def _replicas(trainer: Call) -> int:
    """The number of pipelines that a trainer is asked for, where it is a plain number."""
    replicas = trainer.kwargs.get("replicas")
    return replicas if isinstance(replicas, int) else 1


def _check(resources: dict[str, Any], kind: str | None, replicas: int) -> None:
    problems = [
        f"{name} is {value!r}, but must be a whole number of {least} or more"
        for name, least in (("nodes", 1), ("nproc_per_node", 1), ("gpus_per_proc", 0))
        if (value := resources[name]) != AUTO or name == "nodes"
        if isinstance(value, bool) or not isinstance(value, int) or value < least
    ]
    if not problems:
        problems = list(_misfits(resources["nodes"], resources["nproc_per_node"], kind, replicas))
    if problems:
        raise ForgatherError(
            "bad_resources",
            "; ".join(problems),
            path="resources",
            hint="see conf/resources/default.yaml for what each number means",
        )


def _misfits(nodes: int, procs: int | str, kind: str | None, replicas: int) -> Iterator[str]:
    processes = nodes * (1 if procs == AUTO else int(procs))
    if kind == ONE and processes > 1:
        yield f"Trainer is one process, not {processes}: choose trainer=accel or trainer=pipeline"
    if kind == PIPELINE and procs != AUTO and processes % max(replicas, 1):
        yield f"{processes} processes cannot be shared out to {replicas} pipelines"
