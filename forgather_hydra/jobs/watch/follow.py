"""Passes on what a process of a job prints, attempt after attempt."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path

from forgather_hydra.rundir.launch import attempts, launch_dir
from forgather_hydra.rundir.names import rank_log

CHUNK = 1 << 20  # bytes at a time


class Follow:
    """Prints what is added to a log.

    Args:
        directory: of the job.
        rank: of the process.
        from_start: print also what the newest attempt has printed already.
    """

    def __init__(self, directory: Path, rank: int = 0, from_start: bool = False) -> None:
        self.directory = directory
        self.rank = rank
        self._is_mid_line = False
        self._open(0 if from_start or not self.newest.exists() else self.newest.stat().st_size)

    @property
    def newest(self) -> Path:
        """The log of the newest attempt, which may not exist yet."""
        return [launch_dir(self.directory), *attempts(self.directory)][-1] / rank_log(self.rank)

    def show(self) -> bool:
        """Print what is new; whether there was anything."""
        before = self.position
        self._print_new()
        if (newest := self.newest) == self.path:
            return self.position > before
        is_new = self.position > before
        self._open(0, newest)
        self._print_new()
        return is_new or self.position > 0

    def end_line(self) -> None:
        """Begin a new line, if what was printed last has not ended its own."""
        if self._is_mid_line:
            print()
        self._is_mid_line = False

    def _open(self, position: int, path: Path | None = None) -> None:
        self.path, self.position = path or self.newest, position
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def _print_new(self) -> None:
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            file.seek(self.position)
            while chunk := file.read(CHUNK):
                sys.stdout.write(self._decoder.decode(chunk))
                self._is_mid_line = not chunk.endswith(b"\n")
            self.position = file.tell()
        sys.stdout.flush()
