"""What the processes of a run do together: act once for all, and agree on what to do next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .state import TrainerControl
from .strategy import Strategy

T = TypeVar("T")


def once(strategy: Strategy, action: Callable[[], T]) -> T:
    """Has the first process do something, and gives all of them its result, or its exception."""
    result: T | None = None
    failure: Exception | None = None
    if strategy.rank == 0:
        try:
            result = action()
        except Exception as error:
            failure = error
    result, failure = strategy.gather((result, failure))[0]
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]


def agree(strategy: Strategy, control: TrainerControl) -> None:
    """Sets each flag that any process has set, so that all stop, save and evaluate together."""
    if strategy.world_size > 1:
        flags = vars(control)
        flags.update(zip(flags, map(bool, strategy.add_up(*flags.values())), strict=True))
