"""Torch Titan's loop as it is, which tells our callbacks what it does and obeys them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from torchtitan.components.metrics import MetricsProcessor
from torchtitan.config import JobConfig
from torchtitan.protocols.train_spec import get_train_spec
from torchtitan.train import Trainer as Titan

from forgather_hydra.train.meter import Meter
from forgather_hydra.train.parallel.processes import agree
from forgather_hydra.train.state import TrainerControl, TrainerState, TrainOutput, train_output
from forgather_hydra.train.titan import surroundings
from forgather_hydra.train.titan.job import filled, merged

if TYPE_CHECKING:
    from forgather_hydra.train.titan.native import TitanJob

NAME = "forgather_hydra"


def train(trainer: TitanJob) -> TrainOutput:
    """Has Torch Titan do a job, from its newest checkpoint on, if it has any."""
    strategy = trainer.strategy
    with surroundings.process_group(strategy.device), surroundings.garbage_collected():
        config = _configuration(trainer)
        spec = get_train_spec(config.model.name)
        spec.build_metrics_processor_fn = lambda job, dims, _: _Metrics(trainer, job, dims)
        config.model.name = NAME
        with surroundings.being_made(strategy.local_rank), surroundings.registered(NAME, spec):
            titan = _Loop(config, trainer)
        try:
            titan.train()
        finally:
            trainer.fire("on_train_end")
            titan.close()
    return train_output(trainer.state, trainer.meter.mean_loss(trainer.state.global_step), 0.0)


def _configuration(trainer: TitanJob) -> Any:
    of_ours = {
        "job": {"dump_folder": trainer.args.output_dir, "description": NAME},
        "metrics": {"disable_color_printing": True},
        # A checkpoint of the last step is one to go on from, as any other.
        "checkpoint": {"enable": True, "folder": "checkpoints", "last_save_model_only": False},
    }
    return filled(JobConfig(), merged(of_ours, trainer.job))


class _Metrics(MetricsProcessor):
    """Logs what Torch Titan logs to our callbacks too, under the names of any run."""

    def __init__(self, trainer: TitanJob, config: Any, dims: Any) -> None:
        self.trainer = trainer
        super().__init__(config, dims)

    def log(
        self,
        step: int,
        global_avg_loss: float,
        global_max_loss: float,
        grad_norm: float,
        extra_metrics: dict[str, Any] | None = None,
    ) -> None:
        super().log(step, global_avg_loss, global_max_loss, grad_norm, extra_metrics)
        trainer, extra = self.trainer, extra_metrics or {}
        tokens = int(extra["n_tokens_seen"])
        loss, norm = torch.tensor(global_avg_loss), torch.tensor(grad_norm)
        trainer.meter.add(loss, tokens - trainer.state.num_input_tokens_seen, norm, extra["lr"])
        trainer.state.global_step, trainer.state.num_input_tokens_seen = step, tokens
        trainer.log(trainer.meter.read(step))

    def log_validation(
        self, loss: float, step: int, extra_metrics: dict[str, Any] | None = None
    ) -> None:
        super().log_validation(loss, step, extra_metrics)
        self.trainer.log({"eval_loss": loss})


class _Loop(Titan):
    def __init__(self, config: Any, trainer: TitanJob) -> None:
        self.trainer = trainer
        self.has_begun = False
        trainer.state = TrainerState(
            max_steps=config.training.steps,
            logging_steps=config.metrics.log_freq,
            save_steps=config.checkpoint.interval,
            train_batch_size=config.training.local_batch_size,
            is_local_process_zero=trainer.strategy.local_rank == 0,
            is_world_process_zero=trainer.strategy.rank == 0,
        )
        trainer.control, trainer.meter = TrainerControl(), Meter()
        super().__init__(config)
        if self.device.type == "cpu":
            surroundings.sum_gradients(self.model_parts)
        trainer.model, trainer.optimizer = self.model_parts[0], self.optimizers
        trainer.lr_scheduler = self.lr_schedulers

    def should_continue_training(self) -> bool:
        trainer = self.trainer
        if not self.has_begun:  # by now a checkpoint has been read, if there is one
            self.has_begun = True
            trainer.fire("on_train_begin")
            trainer.meter.start()
        agree(trainer.strategy, trainer.control)
        return super().should_continue_training() and not trainer.control.should_training_stop

    def train_step(self, data_iterator: Any) -> None:
        trainer = self.trainer
        trainer.fire("on_step_begin")
        super().train_step(data_iterator)
        trainer.state.global_step = self.step
        trainer.fire("on_step_end")
        agree(trainer.strategy, trainer.control)
        control = trainer.control
        is_due = self.step in (1, self.job_config.training.steps)
        is_due |= self.step % self.job_config.checkpoint.interval == 0
        if control.should_save and not is_due and not control.should_abort_without_save:
            self.checkpointer.save(self.step, last_step=True)
            trainer.fire("on_save")

    def state_dict(self) -> dict[str, Any]:
        """Torch Titan's, with what our callbacks go on with."""
        state = self.trainer.state
        ours = {
            "callbacks": self.trainer.callbacks.state_dict(),
            "log_history": state.log_history,
            "num_input_tokens_seen": state.num_input_tokens_seen,
            "meter": self.trainer.meter.state_dict(self.step),
        }
        return {**super().state_dict(), NAME: json.dumps(ours)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        trainer, ours = self.trainer, json.loads(state_dict[NAME])
        trainer.callbacks.load_state_dict(ours["callbacks"])
        trainer.meter.load_state_dict(ours["meter"])
        trainer.state.global_step = self.step
        trainer.state.log_history = ours["log_history"]
        trainer.state.num_input_tokens_seen = ours["num_input_tokens_seen"]
