"""What passes between host and device in training, as far as it shows without a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.backends.registry import register_backend
from torch.overrides import TorchFunctionMode
from toys import Rows, losses

from forgather_hydra.train import TrainingArguments
from forgather_hydra.train.batches.given import GivenLoader
from forgather_hydra.train.batches.loading import accumulation_groups, pins_batches
from forgather_hydra.train.model_call import moved


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Tensors that were pinned, on a machine that seems to have a GPU."""
    found: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return found


def stream() -> Any:
    yield from (Rows(24)[index] for index in range(24))


class Streamed:
    def __iter__(self) -> Any:
        return stream()


@pytest.mark.parametrize("kind", ["map", "stream", "given"])
def test_batches_of_any_loader_are_pinned(make_trainer, pinned, kind: str) -> None:
    rows = Streamed() if kind == "stream" else Rows(24)
    trainer = make_trainer(train_dataset=rows, max_steps=3)
    trainer.join()
    loader = trainer.get_train_dataloader()
    if kind == "given":
        own = torch.utils.data.DataLoader(rows, batch_size=4)
        loader = GivenLoader(own, seed=0, rank=0, world_size=1)
    group = next(accumulation_groups(loader, 2, pin=True))
    tensors = [tensor for batch in group for tensor in batch.values()]
    assert tensors
    assert all(any(each is tensor for each in pinned) for tensor in tensors)


def test_batches_are_pinned_for_a_gpu_only(pinned) -> None:
    assert pins_batches(TrainingArguments())
    for options in ({"use_cpu": True}, {"device": "cpu"}, {"dataloader_pin_memory": False}):
        assert not pins_batches(TrainingArguments(**options))


def test_training_pins_what_goes_to_a_gpu(make_trainer, pinned, monkeypatch) -> None:
    monkeypatch.setattr("forgather_hydra.train.loop.pins_batches", lambda args: True)
    make_trainer(train_dataset=Streamed(), max_steps=3).train()
    assert len(pinned) >= 3


class Moves(TorchFunctionMode):
    """Keeps the keywords of moves to a device."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is torch.Tensor.to:
            self.found.append(kwargs or {})
        return func(*args, **kwargs or {})


def test_batches_move_without_waiting() -> None:
    with Moves() as moves:
        moved({"input_ids": torch.zeros(2, 3), "text": ["a", "b"]}, torch.device("meta"))
    assert moves.found == [{"non_blocking": True}]


def test_a_step_with_everything_on_reads_nothing_between_logs(make_trainer) -> None:
    from forgather_hydra.train import EMACallback, NormsCallback

    def reads(steps: int) -> int:
        trainer = make_trainer(
            train_dataset=Rows(400, masked=True), max_steps=steps, logging_steps=1000, bf16=True,
            max_grad_norm=1.0, gradient_accumulation_steps=2, lr_scheduler_type="cosine",
            callbacks=[EMACallback(0.5), NormsCallback({"all": "."})],
        )  # fmt: skip
        with HostReads() as counted:
            trainer.train()
        return counted.count

    assert reads(40) == reads(10)


class HostReads(TorchFunctionMode):
    """Counts what would have the host wait for a device."""

    names = ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__", "nonzero")

    def __init__(self) -> None:
        self.count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        # Batches lie on the host, where their targets are counted.
        on_host = any(getattr(arg, "dtype", None) in (torch.int64, torch.bool) for arg in args)
        self.count += getattr(func, "__name__", "") in self.names and not on_host
        return func(*args, **kwargs or {})


@register_backend(name="same_memory")
def same_memory(graph: Any, inputs: Any, **options: Any) -> Any:
    """Compiles as CUDA graphs do: each call writes what it returns to the same memory."""
    return aot_autograd(fw_compiler=_replaying, bw_compiler=_replaying)(graph, inputs)


def _replaying(graph: Callable[..., Any], inputs: Any) -> Callable[..., Any]:
    memory: list[Any] = []

    def call(arguments: list[Any]) -> Any:
        made = graph(*arguments)
        arguments.clear()
        if not memory:
            memory.extend(made)
        for kept, new in zip(memory, made, strict=True):
            if isinstance(kept, torch.Tensor) and kept is not new:
                kept.copy_(new)
        return list(memory)

    call._boxed_call = True  # type: ignore[attr-defined]
    return call


def test_what_a_graph_returns_is_kept_from_its_next_replay(make_trainer) -> None:
    options = {"max_steps": 4, "gradient_accumulation_steps": 3, "logging_steps": 2}
    options |= {"eval_strategy": "steps", "eval_steps": 2, "eval_dataset": Rows(12, seed=1)}
    expected, replayed = make_trainer(**options), make_trainer(
        **options, torch_compile=True, torch_compile_backend="same_memory",
        torch_compile_mode="reduce-overhead",
    )  # fmt: skip
    for trainer in (expected, replayed):
        trainer.train()
    assert losses(replayed) == pytest.approx(losses(expected), rel=1e-5)
    evaluations = [
        [r["eval_loss"] for r in t.state.log_history if "eval_loss" in r]
        for t in (replayed, expected)
    ]
    assert evaluations[0] == pytest.approx(evaluations[1], rel=1e-5)
