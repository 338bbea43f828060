"""Callback events with Hugging Face's names and signature, and their dispatch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from forgather_hydra.train.state import TrainerControl

if TYPE_CHECKING:
    from forgather_hydra.train.trainer import Trainer

Handler = Callable[..., TrainerControl | None]

EVENTS = (
    "on_init_end",
    "on_train_begin",
    "on_train_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_step_begin",
    "on_step_end",
    "on_substep_end",
    "on_pre_optimizer_step",
    "on_optimizer_step",
    "on_evaluate_begin",
    "on_evaluate",
    "on_predict",
    "on_prediction_step",
    "on_log_begin",
    "on_log",
    "on_save",
)

# What every handler gets, by its name in the trainer.
_KEYWORDS = (
    "model",
    "strategy",
    "processing_class",
    "optimizer",
    "lr_scheduler",
    "train_dataloader",
    "eval_dataloader",
    "meter",
)

# The flag that an event answers to; it is cleared before the event's handlers run.
_CLEARS = {
    "on_train_begin": ("should_training_stop", "should_abort_without_save"),
    "on_epoch_begin": ("should_epoch_stop",),
    "on_step_begin": ("should_log", "should_evaluate", "should_save"),
    "on_log": ("should_log",),
    "on_evaluate": ("should_evaluate",),
    "on_save": ("should_save",),
}


class TrainerCallback:
    """Base of callbacks: any method named after an event in `EVENTS` is called at that event.

    Handlers take `(args, state, control, **kwargs)`; `kwargs` holds `model`, `strategy`,
    `processing_class`, `optimizer`, `lr_scheduler`, `train_dataloader`, `eval_dataloader` and
    `meter`, with `logs` in `on_log` and `metrics` in `on_evaluate` and `on_predict`; what is done
    in `with meter.paused():` is no part of the training time. A handler may set flags of
    `control`, or return another one. Callbacks written for `transformers.Trainer` work as they are.
    There are two events more: `on_evaluate_begin`, and `on_log_begin`, where handlers may add to
    `logs` before they are logged. This base defines no handler, so an event that nobody listens to
    costs nothing.

    With `main_process_only`, only the first process of a distributed run calls them: set it where
    they write or print. A flag set in one process holds in all.

    What a method `state() -> {"args": ..., "attributes": ...}` returns is saved with checkpoints,
    and the attributes are set again when a run resumes.
    """

    main_process_only = False


class CallbackHandler:
    """Calls the callbacks in order.

    Raises:
        TypeError: for something that handles no event.
    """

    def __init__(self, callbacks: Iterable[Any]) -> None:
        if isinstance(callbacks, str):
            callbacks = [callbacks]
        self.callbacks = [_instance(callback) for callback in callbacks]
        self._collect()

    def add(self, callback: Any) -> None:
        """Appends a callback, or an instance of a callback class."""
        self.callbacks.append(_instance(callback))
        self._collect()

    def pop(self, callback: Any) -> Any:
        """Removes and returns the first callback that is `callback` or of that class, if any."""
        for candidate in self.callbacks:
            if candidate is callback or (
                isinstance(callback, type) and isinstance(candidate, callback)
            ):
                self.callbacks.remove(candidate)
                self._collect()
                return candidate
        return None

    def fire(self, event: str, trainer: Trainer, **details: Any) -> TrainerControl:
        """Calls every handler of `event` with the trainer's parts; returns the control to obey."""
        args, state, control = trainer.args, trainer.state, trainer.control
        for flag in _CLEARS.get(event, ()):
            setattr(control, flag, False)
        table = self._handlers if state.is_world_process_zero else self._elsewhere
        if handlers := table[event]:
            keywords = {name: getattr(trainer, name) for name in _KEYWORDS} | details
            for handler in handlers:
                try:
                    control = handler(args, state, control, **keywords) or control
                except Exception as error:
                    name = type(getattr(handler, "__self__", handler)).__qualname__
                    error.add_note(f"The callback {name} raised this in {event}.")
                    raise
        return control

    def state_dict(self) -> dict[str, list[dict[str, Any]]]:
        """States of the callbacks that have one, by class name, in order."""
        states: dict[str, list[dict[str, Any]]] = {}
        for callback in self.callbacks:
            if hasattr(callback, "state"):
                states.setdefault(type(callback).__name__, []).append(callback.state())
        return states

    def load_state_dict(self, states: dict[str, list[dict[str, Any]]]) -> None:
        """Gives saved attributes back to the callbacks of the same class, in order."""
        remaining = {name: list(saved) for name, saved in states.items()}
        for callback in self.callbacks:
            if hasattr(callback, "state") and remaining.get(type(callback).__name__):
                saved = remaining[type(callback).__name__].pop(0)
                for name, value in saved["attributes"].items():
                    setattr(callback, name, value)

    def _collect(self) -> None:
        self._handlers = _by_event(self.callbacks)
        self._elsewhere = _by_event(
            callback
            for callback in self.callbacks
            if not getattr(callback, "main_process_only", False)
        )


def _by_event(callbacks: Iterable[Any]) -> dict[str, list[Handler]]:
    """The handlers of each event, in order."""
    handlers: dict[str, list[Handler]] = {event: [] for event in EVENTS}
    for callback in callbacks:
        for event in EVENTS:
            if _handles(callback, event):
                handlers[event].append(getattr(callback, event))
    return handlers


def _instance(callback: Any) -> Any:
    made = callback() if isinstance(callback, type) else callback
    if not isinstance(made, TrainerCallback) and not any(hasattr(made, e) for e in EVENTS):
        raise TypeError(
            f"{made!r} is no callback: it has no method named after an event, such as on_log"
        )
    return made


def _handles(callback: Any, event: str) -> bool:
    """Whether `callback` does anything at `event`; an inherited empty handler is not called."""
    function = getattr(type(callback), event, None)
    empty = f"TrainerCallback.{event}"
    return function is not None and getattr(function, "__qualname__", "") != empty
