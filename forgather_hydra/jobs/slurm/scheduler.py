"""What a SLURM cluster says about jobs: the queue first, the accounts second, and 'gone' last."""

from __future__ import annotations

import functools
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from forgather_hydra.errors import ForgatherError

LIVE = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD"),
    *("RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "PREEMPTED", "SPECIAL_EXIT"),
}
GONE = "GONE"
TIMEOUT_S = 60


class Seen(NamedTuple):
    """What the cluster says about a job.

    Attributes:
        state: SLURM's word, or ``GONE`` for a job that it does not know any more.
        reason: why it waits.
        nodes: where it runs.
    """

    state: str
    reason: str = ""
    nodes: str = ""

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


@dataclass
class Watcher:
    """Asks about all jobs at once.

    A controller that does not answer changes nothing: jobs are as they were seen last.

    Args:
        grace_s: how long a job may be unknown before it is gone. Ids are unknown for a moment
            when they are new, and after a pending element of an array has been cancelled for ever.
    """

    grace_s: float = 30.0
    seen: dict[str, Seen] = field(default_factory=dict)
    has_accounts: bool = True
    _missing: dict[str, float] = field(default_factory=dict)

    def look(self, ids: Iterable[str]) -> dict[str, Seen]:
        """The state of each job."""
        wanted = [i for i in ids if i not in self.seen or self.seen[i].is_live]
        parents = sorted({i.partition("_")[0] for i in wanted})
        listed = _ask("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%N", parents)
        if listed is not None:
            found = dict(_rows(listed))
            missing = [i for i in wanted if i not in found]
            found |= self._from_accounts(missing) if missing else {}
            for name in wanted:
                self._take(name, found.get(name))
        return {i: self.seen.get(i, Seen("PENDING")) for i in ids}

    def _from_accounts(self, ids: list[str]) -> dict[str, Seen]:
        if not self.has_accounts:
            return {}
        words = ("-X", "-P", "-n", "-o", "JobID,State,Reason,NodeList")
        listed = _ask("sacct", *words, sorted({i.partition("_")[0] for i in ids}))
        if listed is None:
            self.has_accounts = False
            return {}
        return dict(_rows(listed))

    def _take(self, name: str, seen: Seen | None) -> None:
        if seen is not None:
            self._missing.pop(name, None)
            self.seen[name] = seen
        elif time.monotonic() - self._missing.setdefault(name, time.monotonic()) > self.grace_s:
            self.seen[name] = Seen(GONE)


def _rows(text: str) -> Iterator[tuple[str, Seen]]:
    for line in text.splitlines():
        name, state, reason, nodes, *_ = [*line.split("|"), "", "", ""]
        word = state.split()[0] if state else ""  # CANCELLED by 1000
        waits = reason if reason not in ("None", "") else ""
        yield name, Seen(word, waits, nodes)


def _ask(*words: str | list[str]) -> str | None:
    """The answer of a SLURM command; None if it has none to give.

    A job that has been forgotten is no failure: it is just not in the answer.
    """
    *command, ids = words
    if not ids:
        return ""
    full = [str(word) for word in command] + ["-j", ",".join(ids)]
    try:
        done = subprocess.run(full, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode and not re.search("Invalid job id", done.stderr):
        return None
    return done.stdout


def cancel(ids: Iterable[str]) -> bool:
    """Take jobs from the queue, or end them; whether the cluster has agreed."""
    words = ["scancel", *ids]
    if len(words) == 1:
        return True
    try:
        done = subprocess.run(words, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@functools.cache
def gpus_of_cluster(partition: str | None) -> int:
    """The most GPUs that a node of the cluster, or of a partition of it, has.

    Raises:
        ForgatherError: ``bad_launcher``, where the cluster does not say.
    """
    words = ["sinfo", "-h", "-o", "%G", *(["-p", partition] if partition else [])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise ForgatherError("bad_launcher", f"the cluster does not answer: {done.stderr.strip()}")
    counts = re.findall(r"gpu(?::[^:,(\s]+)?:(\d+)", done.stdout)
    return max(map(int, counts), default=0)


def largest_array() -> int:
    """How many jobs the cluster lets an array have."""
    words = ["scontrol", "show", "config"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE)
    return int(found[1]) if found else 1000
