"""A few training steps of a model, and checks that every causal language model must pass.

Shapes: B batch, T tokens.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from forgather_hydra.cached_generation import TOLERANCE, cache_error
from forgather_hydra.model.trial_data import Batch, batches


@dataclass
class Step:
    """Loss in nats, norm of the gradient (None if it was freed at once), and speed."""

    loss: float
    grad_norm: float | None
    tokens_per_second: float


@dataclass
class Check:
    """One property of a model, and what was found."""

    name: str
    passed: bool
    detail: str


@dataclass
class Trial:
    """What happened to a model."""

    parameters: int
    steps: list[Step] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


def run_trial(
    model: PreTrainedModel,
    dataset: Iterable[Any] | None = None,
    *,
    batch_size: int = 2,
    sequence_length: int = 64,
    steps: int = 5,
    lr: float = 0.1,
    packed: bool = False,
    fuse_optim_with_backward: bool = False,
) -> Trial:
    """Train a model by SGD and check it.

    Args:
        dataset: samples with `input_ids`; None for random ids, the same ones at every step.
        packed: several documents in a sequence, told apart by their positions.
        fuse_optim_with_backward: step as soon as a gradient is there, and free it.

    Raises:
        ForgatherError: `bad_data` (also a ValueError), if the dataset does not fill one batch or
            its samples have no `input_ids`.
    """
    trial = Trial(sum(parameter.numel() for parameter in model.parameters()))
    stream = batches(
        dataset, model.config.vocab_size, batch_size, sequence_length, packed, model.device
    )
    first = next(stream)
    before = _loss(model, first)
    trial.steps += _train(model, first, stream, steps, lr, fuse_optim_with_backward)
    after = _loss(model, first)
    values = [before, after, *(v for s in trial.steps for v in (s.loss, s.grad_norm) if v)]
    finite = all(map(math.isfinite, values))
    trial.checks += [
        Check("loss and gradient are finite", finite, f"{len(values)} values"),
        Check("loss of the first batch falls", after < before, f"{before:.4f} -> {after:.4f}"),
    ]
    if finite:
        trial.checks += [_check_cache(model, first), _check_reload(model, first)]
    return trial


def _train(
    model: PreTrainedModel,
    batch: Batch,
    stream: Iterator[Batch],
    steps: int,
    lr: float,
    fused: bool,
) -> Iterator[Step]:
    model.train()
    with _optimizer(model, lr, fused) as optimizer:
        for _ in range(steps):
            start = time.perf_counter()
            loss = model(**batch, use_cache=False).loss
            loss.backward()
            norm = (
                None
                if fused
                else torch.nn.utils.get_total_norm(
                    [p.grad for p in model.parameters() if p.grad is not None]
                ).item()
            )
            if optimizer is not None:
                optimizer.step()
                optimizer.zero_grad()
            seconds = time.perf_counter() - start
            yield Step(loss.item(), norm, batch["input_ids"].numel() / seconds)
            batch = next(stream, batch)


@contextmanager
def _optimizer(
    model: PreTrainedModel, lr: float, fused: bool
) -> Iterator[torch.optim.Optimizer | None]:
    """SGD; None where hooks do all its work during the backward pass."""
    if not fused:
        yield torch.optim.SGD(model.parameters(), lr=lr)
        return

    def step(parameter: Tensor) -> None:
        with torch.no_grad():
            parameter.add_(parameter.grad, alpha=-lr)  # type: ignore[arg-type]
        parameter.grad = None

    hooks = [p.register_post_accumulate_grad_hook(step) for p in model.parameters()]
    yield None
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def _loss(model: PreTrainedModel, batch: Batch) -> float:
    return model.eval()(**batch, use_cache=False).loss.item()


def _check_cache(model: Any, batch: Batch) -> Check:
    """Logits while generating with a cache, against those of the whole text without one."""
    found, allowed = cache_error(model, batch["input_ids"][:1, :8])
    detail = f"logits differ by {found:.1e}, allowed {allowed:.1e}"
    return Check("generation with and without cache agree", found <= allowed, detail)


@torch.no_grad()
def _check_reload(model: PreTrainedModel, batch: Batch) -> Check:
    """Every tensor, in the file or not, after `save_pretrained` and `from_pretrained`; logits."""
    with tempfile.TemporaryDirectory() as name:
        model.save_pretrained(name)
        if hasattr(model.config, "auto_map"):  # its code lies where it was loaded from
            for source in Path(str(model.config.name_or_path)).glob("*.py"):
                shutil.copy(source, name)
        loaded = AutoModelForCausalLM.from_pretrained(name, trust_remote_code=True)
    ours, theirs = ({**m.state_dict(), **dict(m.named_buffers())} for m in (model, loaded))
    changed = [key for key, value in ours.items() if not _equal(value, theirs.get(key))] + sorted(
        theirs.keys() - ours.keys()
    )
    if not changed:
        changed = [] if _same_logits(model, loaded, batch["input_ids"]) else ["logits"]
    detail = f"{len(ours)} tensors" if not changed else f"changed: {', '.join(changed)}"
    return Check("a saved model comes back equal", not changed, detail)


def _same_logits(model: Any, loaded: Any, ids: Tensor) -> bool:
    """Up to the order of summation: the loaded model may have another attention back end."""
    expected, got = (
        each.eval()(input_ids=ids, use_cache=False, return_dict=True).logits
        for each in (model, loaded.to(model.device))
    )
    allowed = TOLERANCE.get(model.dtype, 1e-4) * max(1.0, expected.abs().max().item())
    return (expected - got).abs().max().item() <= allowed


def _equal(tensor: Tensor, other: Tensor | None) -> bool:
    same_kind = other is not None and tensor.dtype == other.dtype
    return same_kind and torch.equal(tensor.cpu(), other)  # type: ignore[arg-type]
