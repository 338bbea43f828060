"""Time writing, loading and background-writing a checkpoint, against safetensors and a memcpy.

python tests/bench/bench_checkpoint.py [millions of parameters] [repetitions] [directory]
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from forgather_hydra.train import Trainer, TrainingArguments
from forgather_hydra.train.checkpoint.saved_state import collect, restore_state, save


class Weights(torch.nn.Module):
    """So many parameters in square matrices, and nothing to compute."""

    def __init__(self, millions: float) -> None:
        super().__init__()
        side = 1024
        count = max(1, round(millions * 1e6 / side**2))
        self.layers = torch.nn.ParameterList(torch.randn(side, side) for _ in range(count))


def prepared(directory: Path, millions: float, **arguments: Any) -> Trainer:
    """A trainer that could save: its optimizer has state, as after a step."""
    args = TrainingArguments(output_dir=str(directory), use_cpu=True, max_steps=100, **arguments)
    data = [{"input_ids": torch.zeros(4, dtype=torch.long)}] * 64
    trainer = Trainer(args, model=Weights(millions), train_dataset=data, callbacks=[])
    trainer.join()
    trainer.prepare(None)
    for parameter in trainer.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trainer.optimizer.step()
    return trainer


def seconds(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def main(millions: float = 33, repetitions: int = 5, folder: str = "") -> None:
    torch.set_num_threads(1)
    directory = Path(tempfile.mkdtemp(dir=folder or None))
    plain = prepared(directory / "plain", millions)
    background = prepared(directory / "background", millions, async_save=True)
    tensors = {n: t for part in collect(plain).tensors.values() for n, t in part.items()}
    size = sum(tensor.nbytes for tensor in tensors.values())
    kept = [torch.empty_like(tensor) for tensor in tensors.values()]
    rows: dict[str, list[float]] = {}

    def note(name: str, call: Callable[[], Any]) -> None:
        rows.setdefault(name, []).append(seconds(call))

    def write_safetensors() -> None:
        save_file(tensors, directory / "bare.safetensors")

    newest = plain.args.checkpoint_dir / "checkpoint-0"
    for _ in range(repetitions + 1):
        note("memcpy", lambda: [k.copy_(t) for k, t in zip(kept, tensors.values(), strict=True)])
        note("safetensors.save_file", write_safetensors)
        note("save, training waits", lambda: save(plain))
        note("save in the background, training waits", lambda: save(background))
        note("  until it is complete", background.background.wait)
        note("load", lambda: restore_state(plain, newest))
        plain.optimizer.state.clear()
        note("load into an optimizer without state", lambda: restore_state(plain, newest))
    shutil.rmtree(directory)
    base = statistics.median(rows["memcpy"][1:])
    print(f"{size / 1e6:.0f} MB; a memcpy of them takes {base * 1000:.0f} ms")
    for name, times in rows.items():
        print(f"{name:42} {statistics.median(times[1:]) / base:6.2f} x memcpy")


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((float, int, str), sys.argv[1:], strict=False)))
