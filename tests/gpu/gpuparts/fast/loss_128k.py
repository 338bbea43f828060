"""Time and memory of losses at a vocabulary of 128k, in bf16, from hidden states to gradients."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch

from forgather_hydra import paths
from gpuparts.clocks import median_seconds
from gpuparts.setting import Outcome, Setting

LIMIT = 90


def run(setting: Setting) -> Outcome:
    found = Outcome()
    vocabulary, width, tokens = setting.size((512, 16, 256), (128256, 2048, 16384))
    dtype = torch.bfloat16 if setting.on_gpu else torch.float32
    torch.manual_seed(0)
    x = torch.randn(1, tokens, width, device=setting.device, dtype=dtype, requires_grad=True)
    labels = torch.randint(vocabulary, (1, tokens), device=setting.device)
    decoder = torch.nn.Linear(width, vocabulary, bias=False).to(setting.device, dtype)
    expected = None
    for name, loss in losses(setting).items():
        if loss is None:
            found.figures[name] = "not installed"
            continue

        def step(loss: Any = loss) -> torch.Tensor:
            x.grad = decoder.weight.grad = None
            value = loss(x, decoder, labels)
            value.backward()
            return value.detach()

        value = step().float()
        expected = value if expected is None else expected
        found.check(f"{name}_apart", abs(value / expected - 1).item(), 1e-2)
        setting.free()
        before = torch.cuda.memory_allocated() if setting.on_gpu else 0
        found.figures[f"{name}_ms"] = 1e3 * median_seconds(setting, step, setting.size(1, 5))
        if setting.on_gpu:
            most = torch.cuda.max_memory_allocated() - before
            found.figures[f"{name}_gib"] = most / 2**30
        setting.keep(found)
    return found


def losses(setting: Setting) -> dict[str, Callable[..., torch.Tensor] | None]:
    """By name: (hidden states, decoder, labels) -> loss; None where it is not installed."""
    part = parts()
    plain, chunk = part("causal_loss").CausalLoss(), setting.size(64, 2048)
    chunked = part("chunked_causal_loss").ChunkedCausalLoss()

    def from_logits(loss: Any) -> Callable[..., torch.Tensor]:
        return lambda x, decoder, labels: loss(decoder(x), labels)

    found: dict[str, Callable[..., torch.Tensor] | None] = {
        "plain": from_logits(plain),
        "chunked": from_logits(chunked),
        "fused": part("linear_causal_loss").LinearCausalLoss().from_hidden_states,
        f"fused_{chunk}": part("linear_causal_loss").LinearCausalLoss(chunk).from_hidden_states,
        "liger": liger(part) if setting.on_gpu and find_spec("liger_kernel") else None,
    }
    if setting.on_gpu:
        found["plain_compiled"] = torch.compile(from_logits(plain))
    return found


def parts() -> Callable[[str], ModuleType]:
    """Imports a part of models by its name."""
    package = ModuleType("modelparts")
    package.__path__ = [str(paths.modelsrc_dir())]
    sys.modules["modelparts"] = package
    return lambda name: importlib.import_module(f"modelparts.{name}")


def liger(part: Callable[[str], ModuleType]) -> Callable[..., torch.Tensor]:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    loss, next_tokens = LigerFusedLinearCrossEntropyLoss(), part("causal_loss").next_tokens
    return lambda x, decoder, labels: loss(decoder.weight, x.flatten(0, 1), next_tokens(labels))
