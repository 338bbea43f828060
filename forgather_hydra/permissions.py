"""Permissions of files that a library writes for their owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path


def follow_umask(files: Iterable[Path]) -> None:
    """Give files the permissions that any new file beside them gets.

    safetensors 0.8 writes files which nobody but their owner can read. What a new file gets is
    looked up by making one: the umask can only be read by changing it, for all threads at once.
    """
    for file in files:
        probe = file.with_name(f".{file.name}.{os.getpid()}")
        probe.touch()
        file.chmod(stat.S_IMODE(probe.stat().st_mode))
        probe.unlink()
