"""Floating-point operations per second, and how much of the device that is."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from forgather_hydra.limits import Amount, Count
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.state import TrainerControl, TrainerState

# Dense bf16 operations per second in 10^12, from the data sheets; part of the device's name.
PEAK_TFLOPS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "RTX 4090": 165.0,
}


class ThroughputCallback(TrainerCallback):
    """Adds `tflops`, the 10^12 operations a second that the model's training takes, to each log,
    and `mfu`, their share of what the devices can do (Chowdhery et al. 2022, appendix B,
    https://arxiv.org/abs/2204.02311). Recomputed activations do not count.

    Args:
        sequence_length: tokens in a sequence, for the operations of attention, which are left out
            if it is not given.
        peak_tflops: of one device; by default that of the bf16 units of a known GPU, without which
            there is no `mfu`.
    """

    main_process_only = True

    def __init__(
        self, sequence_length: Count | None = None, peak_tflops: Amount | None = None
    ) -> None:
        self.sequence_length = sequence_length
        self.peak_tflops = peak_tflops
        self._flops = 0.0

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: torch.nn.Module,
        **kwargs: Any,
    ) -> None:
        self._flops = flops_per_token(model, self.sequence_length)
        device = next(model.parameters()).device
        self.peak_tflops = self.peak_tflops or _known_peak(device)

    def on_log_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        if "tokens_per_second" not in logs:
            return
        state.total_flos = self._flops * state.num_input_tokens_seen
        logs["tflops"] = self._flops * logs["tokens_per_second"] / 1e12
        if self.peak_tflops:
            devices = dist.get_world_size() if dist.is_initialized() else 1
            logs["mfu"] = logs["tflops"] / (self.peak_tflops * devices)


def flops_per_token(model: torch.nn.Module, sequence_length: int | None) -> float:
    """Operations of forward and backward pass a token: 6 N + 6 L D T.

    N counts the parameters that are multiplied with: all but embeddings that are not an output
    head too. L layers attend over T tokens in D dimensions, to half of them on average.
    """
    looked_up = {
        id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)
    }
    multiplied = {
        id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Linear)
    }
    skipped = looked_up - multiplied
    count = sum(p.numel() for p in model.parameters() if id(p) not in skipped)
    config: Any = getattr(model, "config", None)
    attention = 0
    if sequence_length and config is not None:
        attention = config.num_hidden_layers * config.hidden_size * sequence_length
    return 6.0 * (count + attention)


def _known_peak(device: torch.device) -> float | None:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in name), None)
