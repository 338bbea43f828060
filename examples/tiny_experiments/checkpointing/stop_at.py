"""A callback that ends training by an exception, once."""

from forgather_hydra.train import TrainerCallback


class StopAt(TrainerCallback):
    """Raises an error at the end of a step, unless the run has been resumed."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.is_resumed = False

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.is_resumed = state.global_step > 0

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step and not self.is_resumed:
            raise RuntimeError(f"stopped on purpose after {self.step} steps")
