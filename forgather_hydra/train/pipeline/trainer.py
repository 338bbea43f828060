"""Pipeline-parallel training, on torch.distributed.pipelining."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from forgather_hydra.limits import Amount
from forgather_hydra.train.hugging_face import INSTEAD
from forgather_hydra.train.numerics import default_dtype
from forgather_hydra.train.parallel.process_count import ProcessCount
from forgather_hydra.train.passed_on import passes_others_to
from forgather_hydra.train.pipeline.plan import PipelineOptions, make_plan, pipeline_processes
from forgather_hydra.train.pipeline.process import Launch, PipelineParallel
from forgather_hydra.train.pipeline.stages import core_of
from forgather_hydra.train.trainer import Trainer


class PipelineTrainer(Trainer):
    """Trains a model whose layers are spread over the processes that `torchrun` has started.

    A batch passes through the stages in equal microbatches. Batch size and gradient accumulation in
    the arguments are those of one pipeline. Numerics, accumulation and data are those of `Trainer`:
    losses, gradients and weights are its, up to rounding, where the model has no dropout. Every
    process of a pipeline fetches its batches by itself, so samples and collator must not be random.

    Args:
        model_init: makes the model, built of parts (see `pipeline_stages`). It is called once
            without a device in each process, for the structure, and once more in the first one,
            for the weights; these are sent to the stages.
        schedule: gpipe, 1f1b, looped_bfs, interleaved_1f1b, interleaved_zero_bubble, zbv or
            dualpipev; torch's class names are known as well.
        microbatches: in how many parts a batch is sent.
        stages_per_process: 2 by default where the schedule has several.
        stage_layers: layers of each stage; balanced by cost if left out.
        replicas: number of pipelines that share out the data, as processes of `AccelTrainer` do.
        input_cost, output_cost: of encoder, and of decoder and loss, in layers, for balancing.
        positional, others: as for `Trainer`.

    Raises:
        ValueError: when it starts, naming everything that cannot work.
        TypeError: when it starts, for a model that is not built of parts.
        RuntimeError: when it starts, if no launcher has started this process.
    """

    without = INSTEAD | {
        "compute_loss": "give compute_loss_func: no process of a pipeline has the whole model"
    }

    @passes_others_to(Trainer)
    def __init__(
        self,
        *positional: Any,
        model_init: Callable[[], torch.nn.Module],
        schedule: str = "1f1b",
        microbatches: int = 4,
        stages_per_process: int | None = None,
        stage_layers: Sequence[int] | None = None,
        replicas: int = 1,
        input_cost: Amount = 1.0,
        output_cost: Amount = 1.0,
        **others: Any,
    ) -> None:
        self.pipeline = PipelineOptions(
            schedule=schedule,
            microbatches=microbatches,
            stages_per_process=stages_per_process,
            stage_layers=stage_layers,
            replicas=replicas,
            input_cost=input_cost,
            output_cost=output_cost,
        )
        super().__init__(*positional, model_init=model_init, **others)

    @classmethod
    def process_count(cls, arguments: Mapping[str, Any]) -> ProcessCount:
        names = PipelineOptions.__dataclass_fields__
        return pipeline_processes(
            PipelineOptions(**{k: v for k, v in arguments.items() if k in names})
        )

    @staticmethod
    def check_model(model: torch.nn.Module) -> None:
        """Check whether a model, which need have no weights, can be divided.

        Raises:
            ValueError: for one that is not built of parts.
        """
        core_of(model)

    def _make_strategy(self) -> PipelineParallel:
        launch = Launch.from_environment()
        with torch.device("meta"), default_dtype(self.args.default_dtype):
            skeleton = self.model_init()  # type: ignore[misc]
        plan = make_plan(
            self.pipeline,
            self.args,
            world_size=launch.world_size,
            layers=len(core_of(skeleton).layer_stack.layers),
            evaluates=self.eval_dataset is not None,
        )
        return PipelineParallel(
            self.args, self.objective, self.loss_function, plan, launch, skeleton
        )
