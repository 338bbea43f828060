"""The options of the launchers and of `resources`: what each takes, and which go together.

Defaults stand in ``hydra_plugins.forgather_launcher._options`` and ``conf/resources``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.check import raise_all
from forgather_hydra.jobs.policy import OnError
from forgather_hydra.jobs.values import (
    Amount,
    AnyCount,
    Count,
    Flag,
    Lines,
    Seconds,
    Takes,
    Text,
    is_number,
    is_whole,
    mapping,
    problems,
    read,
    several,
    whole,
)

LAUNCHER, RESOURCES = "hydra.launcher", "resources"
# Devices as CUDA_VISIBLE_DEVICES names them.
_DEVICE = re.compile(r"\d+|(GPU|MIG)-[\w/:-]+")
_SBATCH = r"[a-z][a-z0-9_-]*"


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, bool)) or is_number(value)


def _is_device(value: Any) -> bool:
    return (is_whole(value) or isinstance(value, str)) and bool(_DEVICE.fullmatch(str(value)))


Auto = Literal["auto"]
Policy = Annotated[OnError, Takes("continue, stop or retry(N)", OnError.is_one, OnError.parse)]
Devices = Annotated[list[str], several("devices such as 0 or [0,1]", _is_device)]
Variables = Annotated[
    Mapping[str, Any],
    mapping("a mapping from names of variables to values", r"[A-Za-z_]\w*", _is_scalar),
]
Parameters = Annotated[
    Mapping[str, Any], mapping("a mapping from options of sbatch to values", _SBATCH, _is_scalar)
]


@dataclass(frozen=True)
class LocalOptions:
    """How jobs run on this machine; ``docs/reference/launcher.md`` describes each option."""

    on_error: Policy
    dry_run: Flag
    env: Variables | None
    snapshot: Flag
    devices: Literal["auto", "none"] | Devices
    jobs_per_device: Count
    max_parallel: Auto | Count
    threads_per_proc: Auto | Count
    stagger_s: Seconds


@dataclass(frozen=True)
class SlurmOptions:
    """How jobs run on a cluster; ``docs/reference/launcher.md`` describes each option."""

    on_error: Policy
    dry_run: Flag
    env: Variables | None
    snapshot: Flag
    detach: Flag
    job_name: Text
    partition: Text | None
    account: Text | None
    qos: Text | None
    timeout_min: Count | None
    mem_gb: Amount | None
    gpus_per_node: AnyCount | None
    cpus_per_task: Count | None
    constraint: Text | None
    nodelist: Lines | None
    exclude: Lines | None
    exclusive: Flag | Text | None
    dependency: Text | None
    container: Text | None
    container_mounts: Lines | None
    setup: Lines | None
    python: Text | None
    srun_args: Lines | None
    additional_parameters: Parameters | None
    array: Flag
    array_parallelism: Count
    signal_delay_s: Annotated[int, whole(1, 65535)]
    max_requeues: AnyCount
    poll_s: Amount


@dataclass(frozen=True)
class Resources:
    """What a job needs; ``conf/resources/default.yaml`` describes each number."""

    nodes: Count
    nproc_per_node: Auto | Count
    gpus_per_proc: Auto | AnyCount
    cpus_per_proc: Count | None
    mem_gb: Amount | None
    time_min: Count
    constraint: Text | None


Options = LocalOptions | SlurmOptions
_CLASSES = {"local_launcher": LocalOptions, "slurm_launcher": SlurmOptions}
# What sbatch is asked for through an option of ours.
_SAID_ELSEWHERE = {
    **{"time": f"{LAUNCHER}.timeout_min", "mem": f"{LAUNCHER}.mem_gb"},
    **{"nodes": f"{RESOURCES}.nodes", "ntasks-per-node": f"{RESOURCES}.nproc_per_node"},
    **{"signal": f"{LAUNCHER}.signal_delay_s", "requeue": f"{LAUNCHER}.max_requeues"},
    **{"array": f"{LAUNCHER}.array", "output": "forgather logs", "error": "forgather logs"},
    **{
        name.replace("_", "-"): f"{LAUNCHER}.{name}"
        for name in SlurmOptions.__annotations__
        if name not in ("env", "array", "container", "additional_parameters")
    },
}


def options_class(target: str) -> type[Options] | None:
    """The options of a launcher of ours, by the ``_target_`` of its configuration."""
    package, _, module = target.rpartition(".")[0].rpartition(".")
    return _CLASSES.get(module) if package == "hydra_plugins.forgather_launcher" else None


def read_options(values: Mapping[str, Any]) -> Options:
    """The options of a launcher of ours.

    Args:
        values: the section ``hydra.launcher``, resolved.

    Raises:
        ForgatherError: ``bad_launcher``; one error tells all that is wrong.
    """
    kind = options_class(str(values["_target_"]))
    assert kind is not None
    raise_all(option_problems(kind, values), "bad_launcher")
    return kind(**read(kind, _options_in(values)))


def read_resources(values: Mapping[str, Any]) -> Resources:
    """What a job needs, from the section ``resources``, resolved.

    Raises:
        ForgatherError: ``bad_resources``; one error tells all that is wrong.
    """
    raise_all(resource_problems(values), "bad_resources")
    return Resources(**read(Resources, dict(values)))


def resource_problems(values: Mapping[str, Any]) -> Iterator[ForgatherError]:
    return problems(Resources, dict(values), RESOURCES, "bad_resources", {})


def option_problems(kind: type[Options], values: Mapping[str, Any]) -> Iterator[ForgatherError]:
    """An error for each option of a launcher that does not exist, or has no value that fits."""
    own = _options_in(values)
    found = [*problems(kind, own, LAUNCHER, "bad_launcher", _elsewhere(kind, own))]
    yield from found
    if not found:
        yield from _contradictions(kind(**read(kind, own)))


def _options_in(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what Hydra reads itself."""
    return {str(name): value for name, value in values.items() if not str(name).startswith("_")}


def _elsewhere(kind: type[Options], own: Mapping[str, Any]) -> dict[str, str]:
    """What to write instead of options that this launcher does not have."""
    other = LocalOptions if kind is SlurmOptions else SlurmOptions
    where = "cluster=local" if kind is SlurmOptions else "cluster=slurm"
    found = {n: f"{where} has it" for n in other.__annotations__ if n not in kind.__annotations__}
    for name in own:
        if f"{RESOURCES}.{name}" in _SAID_ELSEWHERE.values() or name in Resources.__annotations__:
            found.setdefault(name, f"it is {RESOURCES}.{name}")
    return found


def _contradictions(options: Options) -> Iterator[ForgatherError]:
    """An error for each option that another one makes void."""
    if isinstance(options, LocalOptions):
        if isinstance(options.devices, list) and len({*options.devices}) < len(options.devices):
            yield _void("devices names one twice", f"{LAUNCHER}.jobs_per_device=2 shares devices")
        return
    if options.detach and options.on_error != OnError.parse("continue"):
        yield _void("on_error needs somebody who waits for the jobs", "leave detach out")
    if options.container_mounts and not options.container:
        yield _void("container_mounts is for a container", f"set {LAUNCHER}.container")
    for name in options.additional_parameters or ():
        if own := _SAID_ELSEWHERE.get(name.replace("_", "-")):
            yield _void(f"additional_parameters must not have {name!r}", f"that is what {own} does")


def time_problems(options: Options, resources: Resources) -> Iterator[ForgatherError]:
    """An error for a time in which a job on a cluster could not work."""
    if not isinstance(options, SlurmOptions):
        return
    name = f"{RESOURCES}.time_min" if options.timeout_min is None else f"{LAUNCHER}.timeout_min"
    minutes = options.timeout_min or resources.time_min
    if minutes * 60 <= options.signal_delay_s:
        yield ForgatherError(
            "bad_resources",
            f"{name} is {minutes}, but {LAUNCHER}.signal_delay_s is {options.signal_delay_s}: each "
            "start of a job would be told to stop before it has done anything",
            hint=f"set {name} above {options.signal_delay_s // 60}, or signal_delay_s lower",
        )


def _void(message: str, hint: str) -> ForgatherError:
    return ForgatherError("bad_launcher", f"{LAUNCHER}: {message}", hint=hint)
