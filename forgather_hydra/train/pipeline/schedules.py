"""The schedules of pipelines: the one table that options, plans and messages read."""

from __future__ import annotations

from typing import NamedTuple


class Schedule(NamedTuple):
    """In which order microbatches pass through the stages.

    Attributes:
        word: its name here.
        stages: the number of stages that a process has, if it is fixed.
        is_v_shaped: whether the last stages come back to the first process.
        in_rounds: whether microbatches go round in groups of as many as there are processes.
        splits_backward: whether gradients of weights are computed apart from those of inputs.
    """

    word: str
    stages: int | None = None
    is_v_shaped: bool = False
    in_rounds: bool = False
    splits_backward: bool = False


# By the names in torch.distributed.pipelining.
SCHEDULES = {
    "GPipe": Schedule("gpipe", stages=1),
    "1F1B": Schedule("1f1b", stages=1),
    "LoopedBFS": Schedule("looped_bfs"),
    "Interleaved1F1B": Schedule("interleaved_1f1b", in_rounds=True),
    "InterleavedZeroBubble": Schedule(
        "interleaved_zero_bubble", in_rounds=True, splits_backward=True
    ),
    "ZBVZeroBubble": Schedule("zbv", stages=2, is_v_shaped=True, splits_backward=True),
    "DualPipeV": Schedule("dualpipev", stages=2, is_v_shaped=True, splits_backward=True),
}
WORDS = ", ".join(schedule.word for schedule in SCHEDULES.values())


def schedule_name(name: str) -> str:
    """Torch's name of a schedule, which may be written `interleaved_1f1b` or
    `ScheduleInterleaved1F1B`; or `name` as it is, if there is none.
    """
    known = {_plain(each): each for each in SCHEDULES}
    known |= {_plain(schedule.word): each for each, schedule in SCHEDULES.items()}
    return known.get(_plain(name), name)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").removeprefix("schedule")
