"""Control of a running job: commands as files in its run directory, signals, and a heartbeat."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from forgather_hydra.rundir.files import write_json
from forgather_hydra.rundir.names import ABORT, REQUEUE, SAVE, STATUS, STOP
from forgather_hydra.rundir.run import RunDirectory
from forgather_hydra.rundir.states import State
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.state import TrainerControl, TrainerState

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
PERIOD = 1.0  # seconds between two looks at the run directory


class ControlCallback(TrainerCallback):
    """Obeys commands to a running job, and says how the job is doing.

    A command is a file in `output_dir`, whatever it holds. It is seen within a second, obeyed by
    all processes together at the end of a step, and removed once it has been carried out:

    - `SAVE` writes a checkpoint;
    - `STOP` writes a checkpoint and ends training, and so does SIGTERM or SIGUSR1 to any process;
    - `ABORT` ends training without a checkpoint.

    A run that a `STOP` or a signal has ended with steps left leaves a file `REQUEUE`, which says
    `{"step", "max_steps", "reason"}`; it is gone when the run goes on.

    `status.json` is replaced as a whole, at most once a second: `state` (`running`; in the end
    `finished`, `stopped` before `max_steps`, `aborted`, `interrupted` or `failed`), `step`,
    `max_steps`, `loss` (the last one logged), `time` (seconds since 1970), `host`, `pid`, `attempt`
    (1 for the first start in this directory), and `error` if it failed.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._reason: str | None = None  # of an early end that wants to go on
        self._is_aborted = False
        self._loss: float | None = None
        self._attempt = 1
        self._state: State | None = None  # of the training that this has seen begin
        self._facts: dict[str, Any] = {}
        self._next = 0.0
        self._former: dict[signal.Signals, Any] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._seen, self._reason, self._next = set(), None, 0.0
        self._is_aborted = False
        if threading.current_thread() is threading.main_thread():
            self._former = {each: signal.signal(each, self._on_signal) for each in SIGNALS}
        if state.is_world_process_zero:
            directory = Path(args.output_dir)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / REQUEUE).unlink(missing_ok=True)
            former = RunDirectory(directory).heartbeat
            self._attempt = former.attempt + 1 if former else 1
        self._state, self._facts = State.RUNNING, {}
        self._beat(args, state)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero and time.monotonic() >= self._next:
            self._beat(args, state)
            self._seen |= {path.name for path in RunDirectory(args.output_dir).commands()}
            if STOP in self._seen:
                self._reason = STOP
        if self._seen or self._reason:
            self._ask(control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        self._loss = logs.get("loss", self._loss)

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # Before training and behind it as well: there the state is what it was.
        if self._state and time.monotonic() >= self._next:
            self._beat(args, state)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._carried_out(args, SAVE)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        for each, handler in self._former.items():
            signal.signal(each, handler or signal.SIG_DFL)
        self._former = {}
        self._carried_out(args, *self._seen)
        failure = sys.exception()
        if self._reason and not failure and state.global_step < state.max_steps:
            todo = {"step": state.global_step, "max_steps": state.max_steps}
            write_json(Path(args.output_dir) / REQUEUE, {**todo, "reason": self._reason})
        self._facts = {"error": f"{type(failure).__name__}: {failure}"} if failure else {}
        self._state = self._last_word(state, control, failure)
        self._beat(args, state)

    def _on_signal(self, number: int, frame: Any) -> None:
        self._reason = signal.Signals(number).name

    def _ask(self, control: TrainerControl) -> None:
        """Sets the flags for what has been seen; the trainer makes all processes agree on them."""
        if ABORT in self._seen:
            self._reason, self._is_aborted = None, True
            control.should_training_stop = control.should_abort_without_save = True
            logger.warning("training is aborted without a checkpoint, as told by %s", ABORT)
        elif self._reason:
            control.should_training_stop = control.should_save = True
            logger.warning("training stops after a checkpoint, as told by %s", self._reason)
        else:
            control.should_save = True

    def _carried_out(self, args: TrainingArguments, *names: str) -> None:
        for name in self._seen.intersection(names):
            (Path(args.output_dir) / name).unlink(missing_ok=True)
            self._seen.discard(name)

    def _beat(self, args: TrainingArguments, state: TrainerState) -> None:
        self._next = time.monotonic() + PERIOD
        if not state.is_world_process_zero or not Path(args.output_dir).is_dir():
            return  # what somebody has removed is not made again
        status = {
            "state": self._state,
            "step": state.global_step,
            "max_steps": state.max_steps,
            "loss": self._loss,
            "time": time.time(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "attempt": self._attempt,
        }
        write_json(Path(args.output_dir) / STATUS, status | self._facts)

    def _last_word(
        self, state: TrainerState, control: TrainerControl, failure: BaseException | None
    ) -> State:
        if isinstance(failure, KeyboardInterrupt):
            return State.INTERRUPTED
        if failure:
            return State.FAILED
        if self._is_aborted:
            return State.ABORTED
        early = control.should_training_stop and state.global_step < state.max_steps
        return State.STOPPED if early else State.FINISHED
