"""What launchers return of jobs whose configurations stay small until somebody asks for them."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

QUICK = 1  # level of compression; it is a tenth of the size already
What = TypeVar("What")


class Packed(Generic[What]):
    """Something large, as it is now, in a hundredth of the memory.

    Args:
        what: a configuration, or what holds some.
    """

    def __init__(self, what: What) -> None:
        self._content = zlib.compress(pickle.dumps(what, pickle.HIGHEST_PROTOCOL), QUICK)

    def unpacked(self) -> What:
        """The same, made anew each time."""
        what: What = pickle.loads(zlib.decompress(self._content))
        return what


class LateReturn(JobReturn):
    """Hydra's return of a job, whose configurations are made when they are asked for.

    A sweep may have thousands, and a configuration takes a megabyte.

    Args:
        whole: makes the return with all that belongs to it.
        directory: of the job's outputs.
        overrides: what the job differs by.
        status: how it ended.
        value: what it returned, or raised.
    """

    def __init__(
        self,
        whole: Callable[[], JobReturn],
        directory: Path,
        overrides: Sequence[str],
        status: JobStatus,
        value: Any,
    ) -> None:
        self._whole = whole
        self.directory = directory
        self.overrides, self.working_dir = list(overrides), str(directory)
        self.status, self._return_value = status, value

    @property
    def cfg(self) -> DictConfig | None:  # type: ignore[override]
        return self._whole().cfg

    @property
    def hydra_cfg(self) -> DictConfig | None:  # type: ignore[override]
        return self._whole().hydra_cfg

    @property
    def task_name(self) -> str | None:  # type: ignore[override]
        return self._whole().task_name


def directory_of_return(returned: JobReturn) -> Path | None:
    """The outputs of a job that a launcher returned, if that knows its configuration."""
    if isinstance(returned, LateReturn):
        return returned.directory
    return Path(returned.hydra_cfg.hydra.runtime.output_dir) if returned.hydra_cfg else None
