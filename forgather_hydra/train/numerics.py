"""Settings of torch that hold while a trainer works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import torch

from forgather_hydra import dtypes
from forgather_hydra.train.arguments.training_arguments import TrainingArguments


@contextmanager
def numerics(args: TrainingArguments) -> Iterator[None]:
    """Matrix precision, attention kernels, anomaly detection and off-loading as the arguments ask;
    as before afterwards.
    """
    with ExitStack() as stack:
        if args.float32_matmul_precision:
            before = torch.get_float32_matmul_precision()
            stack.callback(torch.set_float32_matmul_precision, before)
            torch.set_float32_matmul_precision(args.float32_matmul_precision)
        if args.sdpa_backend:
            from torch.nn.attention import SDPBackend, sdpa_kernel

            stack.enter_context(sdpa_kernel(getattr(SDPBackend, args.sdpa_backend.upper())))
        if args.detect_anomaly:
            stack.enter_context(torch.autograd.detect_anomaly())
        if args.enable_activation_offloading:
            pinned = torch.cuda.is_available()
            stack.enter_context(torch.autograd.graph.save_on_cpu(pin_memory=pinned))
        yield


def default_dtype(name: str | None) -> AbstractContextManager[None]:
    """New parameters are of this type within the body, `float32` unless it is set otherwise."""
    return dtypes.default_dtype(getattr(torch, name)) if name else nullcontext()
