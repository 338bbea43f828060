"""``sweep.json``: the jobs of a sweep, by what they are; two launchers may share it."""

from __future__ import annotations

import getpass
import shlex
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.former import is_over
from forgather_hydra.jobs.job import Job
from forgather_hydra.report.results import relative
from forgather_hydra.rundir.files import locked, write_json
from forgather_hydra.rundir.launch import forget_outcome
from forgather_hydra.rundir.names import MANIFEST, MANIFEST_LOCK
from forgather_hydra.rundir.sweep import SweepDirectory


class Manifest:
    """The jobs that launchers have been given in a sweep's directory.

    Args:
        sweep_dir: the directory of a sweep, or of a single run.
    """

    def __init__(self, sweep_dir: Path) -> None:
        self.sweep_dir = sweep_dir.absolute()
        self.path = self.sweep_dir / MANIFEST
        self._lock = self.sweep_dir / MANIFEST_LOCK

    def add(self, jobs: Sequence[Job]) -> None:
        """Note jobs.

        One that is known keeps the directory that it has; a new one whose directory holds another
        job gets the next number.

        Raises:
            ForgatherError: ``sweep_differs``, where that does not help.
        """
        with locked(self._lock, wait=True):
            content = SweepDirectory(self.sweep_dir).manifest
            launch = content.setdefault("launch", _about())
            known = launch["jobs"]
            holders = {
                str(self.sweep_dir / entry["directory"]): key for key, entry in known.items()
            }
            seen: Counter[str] = Counter()
            for job in jobs:
                if job.keys[1] is None and job.key not in known and is_over(job.directory):
                    forget_outcome(job.directory)  # a run that has ended may go on in another way
                    known.clear()
                    holders.clear()
                seen[job.key] += 1
                job.key += f"-{seen[job.key]}" if seen[job.key] > 1 else ""
                if job.key in known and job.is_ours:
                    job.move_to(known[job.key]["number"])
                    job.directory = self.sweep_dir / known[job.key]["directory"]
                    continue
                if holders.get(str(job.directory), job.key) != job.key:
                    numbers = [*(entry["number"] for entry in known.values()), jobs[-1].number]
                    job.move_to(max(numbers) + 1)
                holder = holders.setdefault(str(job.directory), job.key)
                if holder != job.key:
                    raise _differs(job, known[holder])
                # Relative, so that the sweep's directory can be moved or copied.
                where = {"directory": relative(job.directory, self.sweep_dir)}
                known[job.key] = job.describe() | where
            write_json(self.path, content, is_final=True)


def _about() -> dict[str, Any]:
    return {
        "created": time.time(),
        "command": shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]]),
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "jobs": {},
    }


def _differs(job: Job, other: dict[str, Any]) -> ForgatherError:
    return ForgatherError(
        "sweep_differs",
        f"{job.directory} holds another job ({' '.join(other['overrides'])}), "
        f"not {' '.join(job.overrides)}",
        hint=f"end it with forgather cancel {job.directory}, or use another hydra.run.dir"
        if job.keys[1] is None
        else "use ${hydra.job.num} in hydra.sweep.subdir, or another hydra.sweep.dir",
    )
