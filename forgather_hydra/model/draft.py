"""Files written aside, in a folder that a killed process does not leave for good."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".draft-"


@contextmanager
def draft_folder(directory: Path, name: str = "") -> Iterator[Path]:
    """A fresh folder `.draft-<name>...` in a directory, which is made; it is gone afterwards.

    Folders of that name which killed processes left there are removed, too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory):  # else a new folder could be taken for a leftover until it is locked
        remove_leftovers(directory, name)
        draft = Path(tempfile.mkdtemp(dir=directory, prefix=PREFIX + name))
        lock = os.open(draft, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


def remove_leftovers(directory: Path, name: str = "") -> None:
    """Delete the folders of `draft_folder` that no living process has locked."""
    for draft in directory.glob(f"{PREFIX}{glob.escape(name)}*"):
        try:
            lock = os.open(draft, os.O_RDONLY)
        except OSError:  # it is gone by now, or belongs to another user
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(draft, ignore_errors=True)
        finally:
            os.close(lock)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
