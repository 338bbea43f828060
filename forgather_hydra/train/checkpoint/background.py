"""Writes checkpoints in a thread beside the training, one at a time, from copies of the tensors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

logger = logging.getLogger(__name__)

TensorFiles = dict[str, dict[str, torch.Tensor]]


class BackgroundWriter:
    """Runs one action at a time in a thread; what it raises is raised by the next call.

    The interpreter does not exit before the last action has ended.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._kept: dict[str, torch.Tensor] = {}

    def start(self, action: Callable[[], None]) -> None:
        """Begins an action, after the one before it has ended."""
        self.wait()
        self._pending = self._pool.submit(action)

    def wait(self) -> None:
        """Returns when nothing is being written any more; raises what the action has raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def finish(self) -> None:
        """As `wait` where training has failed already: an error is only logged."""
        try:
            self.wait()
        except OSError:
            logger.exception("a checkpoint could not be written")

    @property
    def failed(self) -> bool:
        """Whether the action has ended with an exception that is still to be raised."""
        pending = self._pending
        return pending is not None and pending.done() and pending.exception() is not None

    def copy(self, files: TensorFiles) -> TensorFiles:
        """Copies of tensors, by file and name, that stay as they are until the next call.

        They are in memory of the host that is kept for the next call, and pinned where the tensors
        are on another device, so that no more is waited for than the copying itself.
        """
        self.wait()
        copies = {
            file: {n: self._buffer(n, t) for n, t in ts.items()} for file, ts in files.items()
        }
        devices = set()
        for file, tensors in files.items():
            for name, tensor in tensors.items():
                copies[file][name].copy_(tensor, non_blocking=True)
                devices.add(tensor.device)
        for device in devices:
            if device.type != "cpu":
                torch.accelerator.synchronize(device)
        return copies

    def _buffer(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """The buffer kept for this tensor; a new one if there is none of its shape and type."""
        kept = self._kept.get(name)
        if kept is None or (kept.shape, kept.dtype) != (tensor.shape, tensor.dtype):
            pinned = tensor.device.type != "cpu"
            kept = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=pinned)
            self._kept[name] = kept
        return kept
