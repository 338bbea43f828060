"""What the processes of a run do together: act once for all, and agree on what to do next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch.distributed as dist

from forgather_hydra.train.parallel.base import Group, Strategy
from forgather_hydra.train.state import TrainerControl

T = TypeVar("T")


class HostGroup(NamedTuple):
    """This process among those of a run, for one thread of each."""

    rank: int
    group: dist.ProcessGroup | None

    def gather(self, value: Any) -> list[Any]:
        values = [value] * dist.get_world_size(self.group)
        dist.all_gather_object(values, value, group=self.group)
        return values


def once(group: Group, action: Callable[[], T]) -> T:
    """Has the first process do something, and gives all of them its result, or its exception."""
    return together(group, lambda: action() if group.rank == 0 else None)[0]  # type: ignore[return-value]


def together(group: Group, action: Callable[[], T]) -> list[T]:
    """Has each process do something, and gives all of them the results, or the first exception."""
    result: T | None = None
    failure: Exception | None = None
    try:
        result = action()
    except Exception as error:
        failure = error
    outcomes = group.gather((result, failure))
    for _, failure in outcomes:
        if failure is not None:
            raise failure
    return [result for result, _ in outcomes]  # type: ignore[misc]


def agree(strategy: Strategy, control: TrainerControl) -> None:
    """Sets each flag that any process has set, so that all stop, save and evaluate together."""
    if strategy.world_size > 1:
        flags = vars(control)
        flags.update(zip(flags, map(bool, strategy.add_up(*flags.values())), strict=True))
