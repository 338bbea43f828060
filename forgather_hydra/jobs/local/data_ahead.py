"""Conversations read and tokenized by a second process, while the first imports torch."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from forgather_hydra.config.check import decoded_job
from forgather_hydra.config.composition import Composed
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.nodes import Call, children
from forgather_hydra.jobs.local.cores import cores

_PR_SET_PDEATHSIG = 1
_CORPUS = "forgather_hydra.data.conversation_files"
# What is made of them is found in the cache, and no code but ours runs.
_TARGETS = {
    _CORPUS,
    "forgather_hydra.data.tokenize_conversations",
    "forgather_hydra.model.load_tokenizer",
}
_SPLITS = ("train_dataset", "eval_dataset")


def prepare_ahead(job: Composed) -> None:
    """Have another process prepare the conversations of a run in the cache, if a core is idle.

    It runs what the run will: whoever comes first prepares them, and the other waits for them or
    finds them. Where there is anything to tell it gives up, and the run does it all and tells.
    """
    corpus = OmegaConf.select(job.cfg, "data.corpus._target_", throw_on_missing=False)
    is_alone = threading.active_count() == 1 and "WORLD_SIZE" not in os.environ
    if corpus != _CORPUS or sys.platform != "linux" or "torch" in sys.modules or not is_alone:
        return
    parent = os.getpid()
    try:
        is_other = cores() > 1 and _is_core_idle() and os.fork() == 0
    except OSError:  # the user may have no more processes
        return
    if is_other:
        try:
            _prepare(job, parent)
        finally:
            os._exit(0)


def _is_core_idle() -> bool:
    """Whether less runs on this machine than it has cores; else the two would share one."""
    *_, running, _ = Path("/proc/loadavg").read_text(encoding="ascii").split()
    return int(running.partition("/")[0]) < (os.cpu_count() or 1)


def _prepare(job: Composed, parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    logging.getLogger().addHandler(_GivingUp(logging.WARNING))
    data = decoded_job(job)["data"]
    splits = {split: data[split] for split in _SPLITS}
    if set(_specs(splits)) <= _TARGETS:
        materialize(splits)


def _specs(value: Any) -> Iterator[str]:
    """What the calls in a part of a graph import."""
    if isinstance(value, Call):
        yield value.spec.replace(":", ".")
    for _, child in children(value):
        yield from _specs(child)


class _GivingUp(logging.Handler):
    """Ends what has something to tell."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError(record.getMessage())
