"""Jobs wholly of Torch Titan: its models, data and checkpoints, in a run directory of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from forgather_hydra.rundir.files import append_line
from forgather_hydra.rundir.names import METRICS
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.jsonl import position
from forgather_hydra.train.checkpoint.directory import free_name
from forgather_hydra.train.failures import explained
from forgather_hydra.train.parallel.accel import AccelTrainer
from forgather_hydra.train.parallel.process_count import ProcessCount
from forgather_hydra.train.parallel.processes import once
from forgather_hydra.train.run import loss_summary, was_told_to_end
from forgather_hydra.train.state import TrainOutput
from forgather_hydra.train.titan import library

logger = logging.getLogger(__name__)

_DEGREES = ("tensor_parallel_degree", "pipeline_parallel_degree", "context_parallel_degree")


class TitanJob(AccelTrainer):
    """A training that is described in Torch Titan's own words
    (https://github.com/pytorch/torchtitan), in one process or several.

    Commands to the run, `metrics.jsonl`, `status.json` and callbacks are those of any run.

    Args:
        job: sections of Torch Titan's `JobConfig`: `{"model": {"name": "llama3", "flavor":
            "debugmodel"}, "training": {"steps": 10}}`.
        output_dir: of the run; checkpoints are in its folder `checkpoints`, as Torch Titan writes
            them.
        callbacks: as of `Trainer`.
    """

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        output_dir: str | Path,
        callbacks: Iterable[Any] | None = None,
    ) -> None:
        self.job = job
        training, metrics = job.get("training") or {}, job.get("metrics") or {}
        args = TrainingArguments(
            output_dir=str(output_dir),
            max_steps=training.get("steps", 10000),
            logging_steps=metrics.get("log_freq", 10),
            save_strategy="no",  # type: ignore[arg-type]  # Torch Titan saves
        )
        super().__init__(args=args, model_init=_none_of_ours, callbacks=callbacks)

    @classmethod
    def process_count(cls, arguments: Mapping[str, Any]) -> ProcessCount:
        job = arguments.get("job")
        parallelism = job.get("parallelism") if isinstance(job, Mapping) else None
        group = 1
        for name in _DEGREES:
            degree = parallelism.get(name, 1) if isinstance(parallelism, Mapping) else 1
            group *= max(int(degree), 1) if isinstance(degree, int) else 1
        return ProcessCount(groups=group, least=group)

    def train(self, resume_from_checkpoint: bool | str | Path | None = None) -> TrainOutput:
        """Trains to the end; `True` continues from the newest checkpoint, if there is one.

        Raises:
            ValueError: for keys that Torch Titan's configuration has not, or a path to resume from.
            ModuleNotFoundError, ImportError: no release of Torch Titan that works is installed.
        """
        if not isinstance(resume_from_checkpoint, bool | None):
            raise ValueError(
                "Torch Titan goes on from the newest checkpoint of a run: give resume=true, or "
                f"trainer.job.checkpoint.load_step, not {resume_from_checkpoint}"
            )
        library.load()
        from forgather_hydra.train.titan.whole import train  # imports Torch Titan

        self.join()
        if not resume_from_checkpoint:
            once(self.strategy, self._set_aside)
        with explained(self):
            return train(self)

    def _set_aside(self) -> None:
        """Moves the checkpoints of a former run away, for Torch Titan would go on there."""
        directory = self.args.checkpoint_dir
        if directory.exists():
            directory.rename(old := free_name(directory))
            logger.warning("a new run starts: the checkpoints of the former one are in %s", old)


def _none_of_ours() -> Any:
    raise ValueError("Torch Titan makes the model of such a job, and it alone computes with it")


def run_titan(trainer: TitanJob, *, resume: bool = False) -> dict[str, Any]:
    """Runs a job of Torch Titan's to its end.

    Returns:
        The final metrics, which are also the last line of `metrics.jsonl`, marked `"final": true`;
        as `run_training` for a run that was told to end before its time.
    """
    output = trainer.train(resume_from_checkpoint=resume)
    if once(trainer.strategy, lambda: was_told_to_end(trainer)):
        return {"stopped": True, "global_step": output.global_step, **output.metrics}
    metrics = {"global_step": output.global_step, **loss_summary(trainer), **output.metrics}
    if trainer.state.is_world_process_zero:
        record = {"final": True, **position(trainer.state), **metrics}
        append_line(Path(trainer.args.output_dir) / METRICS, record)
    return metrics
