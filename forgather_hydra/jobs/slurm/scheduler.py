"""What a SLURM cluster says about jobs: the queue first, the accounts second, and 'gone' last."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.launch import place_of

LIVE = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD"),
    *("RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "PREEMPTED", "SPECIAL_EXIT"),
}
GONE = "GONE"
ENDING = "COMPLETING"
TIMEOUT_S = 60
ENDING_S = 120  # that a job may take to end, before it counts as ended


class Submission(NamedTuple):
    """A job that has been submitted.

    Attributes:
        id: the cluster's, which it may give to another job after its state has been lost.
        folder: what the path of the job's batch script holds; nothing else can be meant by the id.
            Any job is, if it is empty.
        time: of the submission.
    """

    id: str
    folder: str = ""
    time: float = 0.0


class Seen(NamedTuple):
    """What the cluster says about a job.

    Attributes:
        state: SLURM's word, or ``GONE`` for a job that it does not know any more.
        reason: why it waits.
        nodes: where it runs.
        script: how it was submitted, with the path of its batch script.
    """

    state: str
    reason: str = ""
    nodes: str = ""
    script: str = ""

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


@dataclass
class Watcher:
    """Asks about all jobs at once.

    Only the queue knows what is alive: accounts go on listing what a controller has lost, and
    elements of an array that were cancelled while they waited. A controller that does not answer
    changes nothing: jobs are as they were seen last.

    Args:
        grace_s: how long a job may be missing before it is gone; until then the accounts, which are
            late, may say how it has ended.

    Attributes:
        answers: whether the controller did, when it was asked last.
    """

    grace_s: float = 30.0
    seen: dict[str, Seen] = field(default_factory=dict)
    has_accounts: bool = True
    answers: bool = True
    _missing: dict[str, float] = field(default_factory=dict)

    def look(self, jobs: Iterable[Submission]) -> dict[str, Seen]:
        """The state of each job, by its id."""
        asked = list(jobs)
        wanted = [job for job in asked if job.id not in self.seen or self.seen[job.id].is_live]
        listed = _ask("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%N|%o", wanted)
        self.answers = listed is not None
        if listed is not None:
            found = _meant(wanted, dict(_rows(listed)))
            missing = [job for job in wanted if job.id not in found]
            found |= self._from_accounts(missing) if missing else {}
            for job in wanted:
                self._take(job, found.get(job.id))
        return {job.id: self.seen.get(job.id, Seen("PENDING")) for job in asked}

    def _from_accounts(self, jobs: list[Submission]) -> dict[str, Seen]:
        """How jobs have ended that the queue does not list."""
        if not self.has_accounts:
            return {}
        words = ("-X", "-P", "-n", "-o", "JobID,State,Reason,NodeList,SubmitLine")
        listed = _ask("sacct", *words, jobs)
        if listed is None:
            self.has_accounts = False
            return {}
        found = _meant(jobs, dict(_rows(listed)))
        return {name: seen for name, seen in found.items() if not seen.is_live}

    def _take(self, job: Submission, seen: Seen | None) -> None:
        if seen is not None:
            self._missing.pop(job.id, None)
            self.seen[job.id] = seen
            return
        now = time.time()
        since = self._missing.setdefault(job.id, now if job.id in self.seen else job.time)
        if now - since > self.grace_s:
            self.seen[job.id] = Seen(GONE)


def submission(place: dict[str, Any]) -> Submission:
    """The submission that was noted in the directory of a job."""
    folders = Path(place.get("log", "")).parts[-3:-2]  # .launch/submit-XXXXXXXX/NUMBER/ID.log
    return Submission(place["id"], f"/{folders[0]}/" if folders else "", place.get("time", 0.0))


def submission_of(directory: Path) -> Submission | None:
    """The last submission of the job in a directory, if it was not started elsewhere since."""
    place = place_of(directory)
    return submission(place) if "id" in place else None


def still_queued(jobs: Iterable[Submission]) -> set[str]:
    """The ids of those that run or wait; jobs that are about to end are waited for.

    Raises:
        ForgatherError: ``bad_launcher``, where the cluster does not answer.
    """
    asked = list(jobs)
    deadline = time.monotonic() + ENDING_S
    while True:
        watcher = Watcher(grace_s=-1, has_accounts=False)
        states = watcher.look(asked)
        if not watcher.answers:
            raise ForgatherError("bad_launcher", "the cluster does not answer: squeue has failed")
        ending = {name for name, seen in states.items() if seen.state == ENDING}
        if not ending or time.monotonic() > deadline:
            return {name for name, seen in states.items() if seen.is_live} - ending
        time.sleep(0.5)


def _meant(jobs: Iterable[Submission], rows: dict[str, Seen]) -> dict[str, Seen]:
    """The rows that are about these jobs, rather than about others that got their ids."""
    found = ((job, rows.get(job.id)) for job in jobs)
    return {job.id: row for job, row in found if row is not None and job.folder in row.script}


def _rows(text: str) -> Iterator[tuple[str, Seen]]:
    """What is listed of each job; a row for several elements of an array is told of each."""
    rows = [[*line.split("|", 4), "", "", "", ""][:5] for line in text.splitlines()]
    for name, state, reason, nodes, script in sorted(rows, key=lambda row: "[" not in row[0]):
        word = state.split()[0] if state else ""  # CANCELLED by 1000
        waits = reason if reason not in ("None", "") else ""
        for each in elements(name):
            yield each, Seen(word, waits, nodes, script)


def elements(name: str) -> Iterator[str]:
    """The ids that a row stands for: ``7_[3,5-6%2]`` for 7_3, 7_5 and 7_6."""
    array, bracket, numbers = name.partition("_[")
    if not bracket:
        yield name
        return
    for part in numbers.rstrip("]").partition("%")[0].split(","):
        first, _, rest = part.partition("-")
        last, _, step = rest.partition(":")
        if first.isdigit():
            for number in range(int(first), int(last or first) + 1, int(step or 1)):
                yield f"{array}_{number}"


def _ask(*words: Any) -> str | None:
    """The answer of a SLURM command about jobs, the last word; None if it has none to give.

    A job that has been forgotten is no failure: it is just not in the answer.
    """
    *command, jobs = words
    ids = sorted({job.id.partition("_")[0] for job in jobs})
    if not ids:
        return ""
    full = [*command, "-j", ",".join(ids)]
    # Long rows for several elements of an array are cut short otherwise.
    whole = os.environ | {"SLURM_BITSTR_LEN": "0"}
    try:
        done = subprocess.run(
            full, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=whole
        )
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


def cancel_queued(jobs: Iterable[Submission]) -> bool:
    """Cancel those that the cluster still has; whether it has agreed."""
    asked = list(jobs)
    watcher = Watcher(grace_s=-1, has_accounts=False)
    states = watcher.look(asked)
    return watcher.answers and cancel(job.id for job in asked if states[job.id].is_live)


@functools.cache
def gpus_of_cluster(partition: str | None) -> int | None:
    """The most GPUs that a node of the cluster, or of a partition of it, has.

    None if it does not say.
    """
    words = ["sinfo", "-h", "-o", "%G", *(["-p", partition] if partition else [])]
    answer = _output_of(words)
    if answer is None:
        return None
    return max(map(int, re.findall(r"gpu(?::[^:,(\s]+)?:(\d+)", answer)), default=0)


def largest_array() -> int:
    """How many jobs the cluster lets an array have."""
    found = re.search(
        r"^MaxArraySize\s*=\s*(\d+)", _output_of(["scontrol", "show", "config"]) or "", re.MULTILINE
    )
    return int(found[1]) if found else 1000


def _output_of(words: list[str]) -> str | None:
    """The answer of a SLURM command about the cluster; None if it has none to give."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout
