"""``sweep.json``: the jobs of a sweep, by what they are; two launchers may share it."""

from __future__ import annotations

import getpass
import shlex
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from forgather_hydra.config.composition import COMMAND_LINE
from forgather_hydra.errors import ForgatherError
from forgather_hydra.launch.job import Job
from forgather_hydra.run.files import locked, read_json, write_json
from forgather_hydra.run.results import MANIFEST, MANIFEST_LOCK


class Manifest:
    """The jobs that launchers have been given in a sweep's directory.

    Args:
        sweep_dir: the directory of a sweep, or of a single run.
    """

    def __init__(self, sweep_dir: Path) -> None:
        self.sweep_dir = sweep_dir.absolute()
        self.path = self.sweep_dir / MANIFEST
        self._lock = self.sweep_dir / MANIFEST_LOCK

    def read(self) -> dict[str, Any]:
        return read_json(self.path) or {}

    def jobs(self) -> dict[str, dict[str, Any]]:
        """The jobs by key, in the order of their numbers."""
        found = self.read().get("launch", {}).get("jobs", {})
        return dict(sorted(found.items(), key=lambda item: item[1]["number"]))

    def add(self, jobs: Iterable[Job]) -> None:
        """Note jobs; one that is known keeps the directory that it has.

        Raises:
            ForgatherError: ``sweep_differs``, where the directory of a job holds another one.
        """
        with locked(self._lock, wait=True):
            content = self.read()
            launch = content.setdefault("launch", _about())
            known = launch["jobs"]
            holders = {entry["directory"]: key for key, entry in known.items()}
            seen: Counter[str] = Counter()
            for job in jobs:
                seen[job.key] += 1
                job.key += f"-{seen[job.key]}" if seen[job.key] > 1 else ""
                if job.key in known and COMMAND_LINE.get():
                    entry = known[job.key]
                    job.move_to(Path(entry["directory"]), entry["number"])
                    continue
                holder = holders.setdefault(str(job.directory), job.key)
                if holder != job.key:
                    raise _differs(job, known[holder], self.sweep_dir)
                known[job.key] = job.describe()
            write_json(self.path, content)

    def note(self, changes: dict[str, dict[str, Any]]) -> None:
        """Add facts to jobs, by key."""
        with locked(self._lock, wait=True):
            content = self.read()
            for key, facts in changes.items():
                content["launch"]["jobs"][key].update(facts)
            write_json(self.path, content)


def _about() -> dict[str, Any]:
    return {
        "created": time.time(),
        "command": shlex.join(sys.argv),
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "jobs": {},
    }


def _differs(job: Job, other: dict[str, Any], sweep_dir: Path) -> ForgatherError:
    return ForgatherError(
        "sweep_differs",
        f"{job.directory} holds another job ({' '.join(other['overrides'])}), "
        f"not {' '.join(job.overrides)}",
        hint=f"choose another hydra.sweep.dir than {sweep_dir}, or remove it",
    )
