"""The words for what becomes of a run or job: one list for all who write, read or rank them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What a run or job is doing, or how it ended; in the order in which tables rank jobs."""

    FINISHED = "finished"
    PRUNED = "pruned"
    STOPPED = "stopped"
    ABORTED = "aborted"
    RUNNING = "running"
    STARTING = "starting"
    SUBMITTED = "submitted"
    QUEUED = "queued"
    FAILED = "failed"
    DIED = "died"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    NOT_RUN = "not run"
    PLANNED = "planned"

    @property
    def rank(self) -> int:
        """The place in a table, best first."""
        return list(State).index(self)

    @property
    def is_over(self) -> bool:
        """Whether nothing is going to happen to it unless somebody starts it again."""
        return self not in (State.RUNNING, State.STARTING, State.SUBMITTED, State.QUEUED)

    @property
    def has_failed(self) -> bool:
        """Whether it has ended in a way that nobody asked for."""
        return self in (State.FAILED, State.DIED)


MEANINGS = {
    State.FINISHED: "it has done all that it was asked for",
    State.PRUNED: "a search has ended it early, being worse than others",
    State.STOPPED: "it was told to save and end; it can go on",
    State.ABORTED: "it was told to end without a checkpoint; it can go on from its last one",
    State.RUNNING: "a process works at it",
    State.STARTING: "its process has been started, and has not begun yet",
    State.SUBMITTED: "a cluster has it, and nobody waits for it",
    State.QUEUED: "it waits for its turn",
    State.FAILED: "it has ended with an error",
    State.DIED: "its process is gone, and has not said how it ended",
    State.INTERRUPTED: "Ctrl-C or a signal has ended it; it can go on",
    State.CANCELLED: "the user does not want it any more",
    State.NOT_RUN: "nobody has started it, or is going to",
    State.PLANNED: "a dry run would have started it",
}


def state_of(word: object) -> State | None:
    """The state that a word in a file stands for, or None for another word."""
    return next((state for state in State if state == word), None)
