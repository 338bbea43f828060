"""Attention by sdpa (each of its kernels), flex and flash attention against eager: plain, packed
and windowed; losses, and gradients where there are any.
"""

from __future__ import annotations

from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from forgather_hydra.train import PackedCollator
from gpuparts.data import stories
from gpuparts.models import new_model
from gpuparts.setting import Outcome, Setting

LIMIT = 120

KERNELS = {
    "sdpa": None,
    "sdpa_flash": SDPBackend.FLASH_ATTENTION,
    "sdpa_efficient": SDPBackend.EFFICIENT_ATTENTION,
    "sdpa_cudnn": SDPBackend.CUDNN_ATTENTION,
    "sdpa_math": SDPBackend.MATH,
}
MORE = 3  # times as far from float32 as eager attention is in the same type


def run(setting: Setting) -> Outcome:
    found = Outcome()
    dtype = torch.bfloat16 if setting.on_gpu else torch.float32
    rows = stories(4, setting.size(32, 512))
    packed = PackedCollator(eos_token_id=1)([rows[i] for i in range(len(rows))])
    plain = {name: packed[name] for name in ("input_ids", "labels")}
    window = {"sliding_window": setting.size(8, 128)}
    cases: dict[str, tuple[Any, dict[str, Any]]] = {
        "plain": (plain, {}),
        "packed": (packed, {}),
        "windowed": (plain, window),
    }
    for name, (batch, changes) in cases.items():
        model = new_model(
            setting.folder, setting.size("tiny", "baseline"), attn_implementation="eager", **changes
        ).to(setting.device)
        batch = {key: value.to(setting.device) for key, value in batch.items()}
        exact = computed(model, batch)
        eager = computed(model.to(dtype), batch)
        least = 5e-3 if setting.on_gpu else 1e-5  # eager may be right by chance
        noise = tuple(max(MORE * each, least) for each in apart(eager, exact))
        found.figures[f"{name}_noise"] = noise[1]
        for kernel in (*KERNELS, "flex_attention", "flash_attention_2"):
            compare(found, f"{name}_{kernel}", model, kernel, batch, exact, noise)
    if not setting.on_gpu:
        found.notes.append("on a CPU flex_attention has no gradients, and sdpa one kernel")
    return found


def compare(
    found: Outcome,
    name: str,
    model: Any,
    kernel: str,
    batch: Any,
    exact: tuple[float, Any],
    noise: tuple[float, ...],
) -> None:
    """Adds how far loss and gradients of a kernel are from the exact ones, or why it has none."""
    if kernel == "flash_attention_2" and find_spec("flash_attn") is None:
        found.figures[name] = "not installed"
        return
    model.set_attn_implementation("sdpa" if kernel in KERNELS else kernel)
    backend = KERNELS.get(kernel)
    learns = not (kernel == "flex_attention" and batch["input_ids"].device.type == "cpu")
    try:
        with sdpa_kernel(backend) if backend else nullcontext():
            result = computed(model, batch, learns=learns)
    except (RuntimeError, ValueError, ImportError) as error:
        # A kernel may not take a mask, or this device.
        found.figures[name] = f"refused: {str(error).splitlines()[0][:80]}"
        found.ok &= kernel not in ("sdpa", "flex_attention")
        return
    for what, difference, bound in zip(
        ("loss", "gradient"), apart(result, exact), noise, strict=False
    ):
        found.check(f"{name}_{what}", difference, bound)


def apart(result: tuple[float, Any], exact: tuple[float, Any]) -> tuple[float, ...]:
    """How far loss and, if there are any, gradients are from exact ones, relatively."""
    loss = abs(result[0] / exact[0] - 1)
    if result[1] is None:
        return (loss,)
    return loss, ((result[1] - exact[1]).norm() / exact[1].norm()).item()


def computed(model: Any, batch: Any, *, learns: bool = True) -> tuple[float, Any]:
    """The loss of a batch, and the gradient of all weights."""
    model.train(learns).zero_grad()
    with torch.set_grad_enabled(learns):
        loss = model(**batch, use_cache=False).loss
    if not learns:
        return loss.item(), None
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten().float() for p in model.parameters()])
