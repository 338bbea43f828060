"""The directory of a sweep as a thing: its jobs, each with its run, and what they have given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forgather_hydra.rundir import launch, record
from forgather_hydra.rundir.files import read_json
from forgather_hydra.rundir.names import MANIFEST, RECORD
from forgather_hydra.rundir.run import RunDirectory


@dataclass(frozen=True)
class SweepJob:
    """A job of a sweep.

    Attributes:
        number: Hydra's number of the job.
        overrides: what it ran with.
        run: its directory.
        key: what makes it the same job when it is launched again, where a launcher has noted it.
    """

    number: int
    overrides: list[str]
    run: RunDirectory
    key: str | None = None


class SweepDirectory:
    """The directory of a sweep, as it is at each question.

    Args:
        path: of the directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"SweepDirectory({str(self.path)!r})"

    @property
    def manifest(self) -> dict[str, Any]:
        """``sweep.json``; empty if there is none."""
        return read_json(self.path / MANIFEST) or {}

    @property
    def is_launching(self) -> bool:
        """Whether a launcher is at work in the directory."""
        return launch.is_launching(self.path)

    def launched(self) -> list[SweepJob]:
        """The jobs that a launcher of ours has noted, by number."""
        noted = self.manifest.get("launch")
        jobs = noted.get("jobs") if isinstance(noted, dict) else None
        entries = jobs.items() if isinstance(jobs, dict) else ()
        return sorted(self._noted(entries), key=lambda job: job.number)

    def jobs(self) -> list[SweepJob]:
        """All jobs of the sweep, by whomever they were started, by number."""
        if launched := self.launched():
            return launched
        reported = self.manifest.get("jobs")
        entries = reported if isinstance(reported, list) else []
        if jobs := list(self._noted((None, entry) for entry in entries)):
            return jobs
        return [
            SweepJob(number, recorded["overrides"], run)
            for number, (run, recorded) in enumerate(self.recorded())
        ]

    def recorded(self) -> Iterator[tuple[RunDirectory, dict[str, Any]]]:
        """The runs below the directory that have a record, with it."""
        for path in sorted(self.path.rglob(RECORD)):
            if recorded := record.read(path.parent):
                yield RunDirectory(path.parent), recorded

    def results(self) -> list[dict[str, Any]]:
        """Of each job its number, overrides, state, directory, result and error."""
        return [
            {
                "number": job.number,
                "overrides": job.overrides,
                "state": job.run.state(),
                "directory": str(job.run.path),
                "result": job.run.result,
                "error": job.run.error,
            }
            for job in self.jobs()
        ]

    def _noted(self, entries: Iterable[tuple[str | None, Any]]) -> Iterator[SweepJob]:
        for key, entry in entries:
            if not isinstance(entry, dict):
                continue
            number, overrides = entry.get("number"), entry.get("overrides")
            directory = entry.get("directory")
            if not isinstance(number, int) or not isinstance(overrides, list):
                continue
            if isinstance(directory, str) and directory:
                yield SweepJob(number, overrides, RunDirectory(self.path / directory), key)
