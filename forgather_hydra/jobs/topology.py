"""How many processes a job needs, and what each of them needs, from its composed configuration."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.check import decoded_job
from forgather_hydra.config.composition import Composed
from forgather_hydra.config.placing import PREFLIGHT
from forgather_hydra.errors import ForgatherError, counted
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.imports import resolve, split_spec
from forgather_hydra.graph.nodes import Call, Shared, Var
from forgather_hydra.graph.walk import post_order
from forgather_hydra.jobs.options import Resources, SlurmOptions, options_class, read_resources

AUTO = "auto"


@dataclass(frozen=True)
class Topology:
    """The processes of a job.

    Attributes:
        trainer: the class of the trainer that the job uses; None if none is known.
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


class Count(Protocol):
    """What the class of a trainer says about its processes; its `ProcessCount` fits."""

    @property
    def exact(self) -> int | None: ...

    @property
    def groups(self) -> int: ...

    @property
    def least(self) -> int: ...


class _One(NamedTuple):
    """The processes of what is no trainer that we know."""

    exact: int | None = 1
    groups: int = 1
    least: int = 1


def topology_of(cfg: DictConfig, started: int | None = None) -> Topology:
    """The topology of a composed job: its trainer, and its group `resources`.

    A configuration without that group, of another Hydra application, is one process.

    Args:
        cfg: the job.
        started: the processes that somebody else has started for it, whatever `resources` says.

    Raises:
        ForgatherError: ``bad_resources``, with everything that does not fit together.
    """
    values = resources_in(cfg)
    if values is None:
        return Topology()
    resources = read_resources(values)
    if started:
        resources = dataclasses.replace(resources, nodes=1, nproc_per_node=started)
    job = Composed.of(cfg)
    graph = decoded_job(job) if job.record.graph is None else job.record.graph
    job.record.graph = None  # it is large, and a sweep has many
    found = next(_trainers(graph), None)
    trainer, count = (found.kind.__name__, found.processes) if found else (None, _One())
    if trainer and (problem := _misfit(resources, trainer, count)):
        hint = (
            f"WORLD_SIZE is {started}: start as many processes as the trainer takes"
            if started
            else "see conf/resources/default.yaml for what each number means"
        )
        raise ForgatherError("bad_resources", problem, path="resources", hint=hint)
    if found:
        _check_model(found.kind, graph)
        _check_optimizer(found, resources, cfg)
    procs = count.exact and max(count.exact // resources.nodes, 1)
    if resources.nproc_per_node != AUTO:
        procs = int(resources.nproc_per_node)
    return Topology(
        trainer=trainer,
        nodes=resources.nodes,
        procs=procs,
        gpus_per_proc=None if resources.gpus_per_proc == AUTO else int(resources.gpus_per_proc),
        cpus_per_proc=resources.cpus_per_proc,
        mem_gb=resources.mem_gb,
        time_min=resources.time_min,
        constraint=resources.constraint,
        least=max(count.least // resources.nodes, 1),
    )


def resources_in(cfg: DictConfig) -> dict[str, Any] | None:
    """The section `resources` of a composed job, if it is ours."""
    wanted: Any = OmegaConf.select(cfg, "resources")
    if not OmegaConf.is_dict(wanted) or "nproc_per_node" not in wanted:
        return None
    return OmegaConf.to_container(wanted, resolve=True)  # type: ignore[return-value]


class _Trainer(NamedTuple):
    """A trainer in a graph: its class, what that says about its processes, and its arguments."""

    kind: Any
    processes: Count
    arguments: dict[str, Any]


def _trainers(graph: Any) -> Iterator[_Trainer]:
    """Each trainer in a graph."""
    for element in post_order(graph):
        if not isinstance(element, Call) or split_spec(element.spec).is_relative:
            continue
        found = _target(element)
        if inspect.isclass(found) and (ask := getattr(found, "process_count", None)):
            values = {name: _plain(value) for name, value in element.kwargs.items()}
            yield _Trainer(found, ask(values), values)


def _target(call: Call) -> Any:
    """What a call names; None for what cannot be imported, which is told when it is constructed."""
    if isinstance(call.search_path, Var):
        return None
    try:
        return resolve(call.spec, tuple(call.search_path or ()))
    except ForgatherError:
        return None


def _check_optimizer(trainer: _Trainer, resources: Resources, cfg: DictConfig) -> None:
    """Ask the trainer whether it takes the classes that its optimizer is made of."""
    check = getattr(trainer.kind, "check_optimizers", None)
    factory = trainer.arguments.get("optimizer_factory")
    if check is None or factory is None or not _is_several(resources, cfg):
        return
    calls = (each for each in post_order(factory) if isinstance(each, Call))
    targets = [_target(each) for each in calls if not split_spec(each.spec).is_relative]
    try:
        check(trainer.arguments, [target for target in targets if inspect.isclass(target)])
    except ValueError as error:
        hint = None if resources.nproc_per_node != AUTO else "or set resources.nproc_per_node=1"
        message = str(error)
        raise ForgatherError("bad_optimizer", message, path="optimizer", hint=hint) from error


def _is_several(resources: Resources, cfg: DictConfig) -> bool:
    """Whether there will be several processes, as far as can be known here.

    The GPUs of a cluster's nodes are not, and who leaves their number open has several in mind.
    """
    if resources.nproc_per_node != AUTO:
        return resources.nodes * int(resources.nproc_per_node) > 1
    if options_class(str(OmegaConf.select(cfg, "hydra.launcher._target_"))) is SlurmOptions:
        return True
    torch = sys.modules["torch"]  # imported with the trainer
    return resources.nodes > 1 or torch.cuda.device_count() > 1


def _check_model(trainer: Any, graph: Any) -> None:
    """Ask the trainer whether it takes the model, if it is one that does not take any."""
    check = getattr(trainer, "check_model", None)
    planned = graph.get(PREFLIGHT, {}) if isinstance(graph, dict) else {}
    if check is None or "model" not in planned:
        return
    model = materialize(graph, targets=PREFLIGHT)["model"]
    if model is None:  # nothing is tried before the job, by the user's choice
        return
    try:
        check(model)
    except ValueError as error:
        hint = "choose another trainer, such as trainer=accel, or a model that is made of parts"
        raise ForgatherError("bad_model", str(error), path="model", hint=hint) from error


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Shared) else value


def _misfit(resources: Resources, trainer: str, count: Count) -> str | None:
    """Why the trainer cannot have the processes that are asked for, if it cannot."""
    nodes, procs = resources.nodes, resources.nproc_per_node
    processes = nodes * (1 if procs == AUTO else int(procs))
    if count.exact == 1 and processes > 1:
        return f"{trainer} is one process, not {processes}: choose trainer=accel, fsdp or pipeline"
    if procs == AUTO:
        message = f"{count.exact} processes of {trainer} cannot be shared out to {nodes} nodes"
        return message if count.exact and count.exact % nodes else None
    if count.exact and processes != count.exact:
        return f"{trainer} is set up for {count.exact} processes, not {processes}"
    if processes % count.groups:
        return f"{counted(processes, 'process')} cannot be shared out to {count.groups} pipelines"
    return None
