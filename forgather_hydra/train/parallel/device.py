"""Where a model runs, and how it is made ready to run there."""

from __future__ import annotations

from typing import Any

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments


def compile_in_place(module: torch.nn.Module, args: TrainingArguments) -> None:
    """Compiles `module`, if the arguments ask for it."""
    if args.torch_compile:
        module.compile(
            backend=args.torch_compile_backend or "inductor",
            mode=args.torch_compile_mode,
            dynamic=args.torch_compile_dynamic,
            fullgraph=args.torch_compile_full_graph,
        )


def enable_gradient_checkpointing(
    model: torch.nn.Module, options: dict[str, Any] | None = None
) -> None:
    """Has the layers of `model` computed again in the backward pass, to save memory.

    Raises:
        ValueError: if the model has no such switch.
    """
    # The second is the name before transformers 5.23.
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    switches = [getattr(model, name) for name in names if hasattr(model, name)]
    if not switches:
        raise ValueError(
            f"{type(model).__name__} cannot do gradient_checkpointing, having no method "
            f"{names[0]}: leave it out"
        )
    switches[0](*([options] if options else []))


def choose_device(args: TrainingArguments) -> torch.device:
    """The device asked for, else the first accelerator, else the CPU.

    Raises:
        ValueError: if this machine has no such device.
    """
    if args.use_cpu:
        return torch.device("cpu")
    # Torch may have been built for an accelerator that is not there.
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    here = accelerator or torch.device("cpu")
    try:
        device = torch.device(args.device) if args.device else here
    except RuntimeError as error:
        raise ValueError(f"device is {args.device!r}, which torch does not know") from error
    if device.type not in ("cpu", here.type):
        raise ValueError(f"device is {args.device!r}, and this machine has {here.type!r} only")
    return device
