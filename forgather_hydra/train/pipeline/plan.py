"""How a model is divided into pipeline stages, and which process runs which of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from forgather_hydra.train.arguments.training_arguments import IntervalStrategy, TrainingArguments
from forgather_hydra.train.parallel.process_count import ProcessCount
from forgather_hydra.train.pipeline.schedules import SCHEDULES, WORDS, schedule_name


class Stage(NamedTuple):
    """A run of consecutive layers; the first stage also has the encoder, the last the decoder."""

    number: int
    layers: range
    is_first: bool
    is_last: bool


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """What a user may say about a pipeline; see `PipelineTrainer`."""

    schedule: str = "1f1b"
    microbatches: int = 4
    stages_per_process: int | None = None
    stage_layers: Sequence[int] | None = None
    replicas: int = 1
    input_cost: float = 1.0
    output_cost: float = 1.0


@dataclass(frozen=True)
class PipelinePlan:
    """The stages of a pipeline of `processes` processes, of which there are `replicas` copies."""

    schedule: str
    microbatches: int
    processes: int
    replicas: int
    stages: tuple[Stage, ...]

    @property
    def one_stage_each(self) -> bool:
        return SCHEDULES[self.schedule].stages == 1

    @property
    def splits_backward(self) -> bool:
        """Whether gradients of inputs and of weights are computed at different times."""
        return SCHEDULES[self.schedule].splits_backward

    def stages_of(self, position: int) -> list[Stage]:
        """Stages of the process at a position of the pipeline, in order.

        In a loop, these are every `processes`th; in a V, those equally far from both ends.
        """
        looped = self.stages[position :: self.processes]
        v_shaped = [self.stages[position], self.stages[-1 - position]]
        return v_shaped if SCHEDULES[self.schedule].is_v_shaped else list(looped)


def make_plan(
    options: PipelineOptions,
    args: TrainingArguments,
    *,
    world_size: int,
    layers: int,
    evaluates: bool,
) -> PipelinePlan:
    """Divides `layers` layers over the processes of a run.

    Raises:
        ValueError: naming everything that cannot work, each with its cure.
    """
    _check(options, args, world_size, layers, evaluates)
    schedule = schedule_name(options.schedule)
    processes = world_size // options.replicas
    sizes = options.stage_layers or balanced_layers(
        layers, _stage_count(options, processes), options.input_cost, options.output_cost
    )
    return PipelinePlan(
        schedule, options.microbatches, processes, options.replicas, tuple(_stages(sizes))
    )


def pipeline_processes(options: PipelineOptions) -> ProcessCount:
    """How many processes the pipelines that are asked for have."""
    replicas = max(options.replicas, 1)
    layers = options.stage_layers
    exact = replicas * (len(layers) // _stage_count(options, 1)) if layers else None
    return ProcessCount(exact, groups=replicas, least=2 * replicas)


def check_pipeline(
    args: TrainingArguments,
    *,
    processes: int | Literal["auto"] = "auto",
    nodes: int = 1,
    layers: int | None = None,
    **options: Any,
) -> None:
    """Checks of a pipeline what can be known before there are processes and a model.

    Args:
        processes: on each of the `nodes`, where torchrun has not started this one.
        layers: of the model.
        options: those of `PipelineOptions`.

    Raises:
        ValueError: as `make_plan`.
    """
    asked = PipelineOptions(**options)
    if processes == "auto":
        count = pipeline_processes(asked)
        planned = count.exact or count.least
    else:
        planned = nodes * processes
    world_size = int(os.environ.get("WORLD_SIZE", planned))
    _check(asked, args, world_size, layers, evaluates=args.eval_strategy != IntervalStrategy.NO)


def _check(
    options: PipelineOptions,
    args: TrainingArguments,
    world_size: int,
    layers: int | None,
    evaluates: bool,
) -> None:
    schedule = schedule_name(options.schedule)
    processes = world_size // max(options.replicas, 1)
    count = _stage_count(options, processes)
    problems = [
        *_option_problems(options, schedule, world_size),
        *_microbatch_problems(options, schedule, processes, count),
        *_batch_problems(options.microbatches, args, evaluates),
        *(_layer_problems(options.stage_layers, layers, count) if layers else ()),
        *_argument_problems(args, schedule),
    ]
    if problems:
        raise ValueError("this pipeline cannot work: " + "; ".join(problems))


def _stage_count(options: PipelineOptions, processes: int) -> int:
    schedule = SCHEDULES.get(schedule_name(options.schedule))
    each = (schedule and schedule.stages) or options.stages_per_process or 2
    return max(processes, 1) * max(each, 1)


def balanced_layers(
    layers: int, stages: int, input_cost: float = 1.0, output_cost: float = 1.0
) -> list[int]:
    """Layers of each stage, one at least, so that the most expensive stage is as cheap as can be.

    Costs are in layers: `input_cost` of the encoder in the first stage, `output_cost` of decoder
    and loss in the last. Equally good stages get a remainder in their order.
    """
    sizes, costs = [1] * stages, [1.0] * stages
    costs[0] += input_cost
    costs[-1] += output_cost
    for _ in range(layers - stages):
        cheapest = costs.index(min(costs))
        sizes[cheapest] += 1
        costs[cheapest] += 1
    return sizes


def _stages(sizes: Sequence[int]) -> Iterator[Stage]:
    start = 0
    for number, size in enumerate(sizes):
        last = number == len(sizes) - 1
        yield Stage(number, range(start, start + size), number == 0, last)
        start += size


def _option_problems(options: PipelineOptions, schedule: str, world_size: int) -> Iterator[str]:
    if schedule not in SCHEDULES:
        yield f"schedule is {options.schedule!r}: use one of {WORDS}"
        return
    fixed, asked = SCHEDULES[schedule].stages, options.stages_per_process
    if asked is not None and asked < 1:
        yield f"stages_per_process is {asked}: give 1 or more"
    elif fixed and asked not in (None, fixed):
        yield f"stages_per_process is {asked}, and {options.schedule} has {fixed}: leave it out"
    if options.replicas < 1 or world_size % options.replicas:
        yield (
            f"replicas is {options.replicas}, which does not divide the {world_size} processes: "
            "start a multiple of it"
        )


def _microbatch_problems(
    options: PipelineOptions, schedule: str, processes: int, stages: int
) -> Iterator[str]:
    count = options.microbatches
    if count < 1:
        yield f"microbatches is {count}: give 1 or more"
        return
    least = {"1F1B": processes, "DualPipeV": stages}.get(schedule, 1)
    if count < least:
        yield f"microbatches is {count}: {options.schedule} needs {least} or more here"
    is_in_rounds = schedule in SCHEDULES and SCHEDULES[schedule].in_rounds
    if is_in_rounds and processes and count % (rounds := max(1, count // processes)):
        yield (
            f"microbatches is {count}: {options.schedule} runs them in {rounds} rounds, "
            f"so make it a multiple of {processes}"
        )


def _batch_problems(count: int, args: TrainingArguments, evaluates: bool) -> Iterator[str]:
    for name in ("per_device_train_batch_size", "per_device_eval_batch_size"):
        size = getattr(args, name)
        if count > 0 and size % count and (evaluates or "train" in name):
            yield f"{name} is {size}: make it a multiple of the {count} microbatches"


def _layer_problems(sizes: Sequence[int] | None, layers: int, stages: int) -> Iterator[str]:
    if layers < stages:
        yield (
            f"{stages} stages need as many layers, and the model has {layers}: start fewer "
            "processes, lower stages_per_process, or give the model more layers"
        )
    if sizes is None:
        return
    if len(sizes) != stages:
        yield f"stage_layers has {len(sizes)} numbers for {stages} stages: give one for each"
    if sum(sizes) != layers:
        yield f"stage_layers adds up to {sum(sizes)}, and the model has {layers} layers"
    if min(sizes, default=1) < 1:
        yield "stage_layers leaves a stage without a layer: give 1 or more to each"


def _argument_problems(args: TrainingArguments, schedule: str) -> Iterator[str]:
    splits = schedule in SCHEDULES and SCHEDULES[schedule].splits_backward
    if args.torch_compile and splits:
        yield f"torch_compile does not work with {schedule}, which splits the backward pass"
    if args.fuse_optim_with_backward:
        yield "fuse_optim_with_backward needs gradients that are complete at once: leave it out"
    if (args.gradient_checkpointing_kwargs or {}).get("use_reentrant"):
        yield "gradient_checkpointing_kwargs has use_reentrant, which stages cannot have: unset it"
    if args.device not in (None, "cpu"):
        yield f"device is {args.device!r}, but every process has its own: leave it out"
