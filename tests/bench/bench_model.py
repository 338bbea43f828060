"""Forward and backward of our Llama against transformers' Llama of the same shape and weights.

python tests/bench/bench_model.py [--device cuda] [--dtype bfloat16] [--batch 4] [--tokens 256]

Both models run in one process, turn by turn; printed are the median times (processor time of one
thread on a CPU, so that other work on the machine counts little), and the peak of the memory that
a step allocates (from the profiler on a CPU, from the allocator on a GPU).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from forgather_hydra.model.convert import convert

SHAPES = {
    "4m": (256, 768, 4, 4, 2000),
    "30m": (512, 1408, 8, 8, 8000),
    "117m": (768, 2048, 12, 12, 32000),
}


def main() -> None:
    options = parse()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    dtype = getattr(torch, options.dtype)
    models = {
        name: model.to(options.device, dtype).train()
        for name, model in models_of_shape(*SHAPES[options.shape]).items()
    }
    if options.compile:
        models = {name: torch.compile(model) for name, model in models.items()}
    vocabulary = SHAPES[options.shape][-1]
    ids = torch.randint(vocabulary, (options.batch, options.tokens), device=options.device)

    def step(model: Any) -> None:
        model(input_ids=ids, labels=ids, use_cache=False, return_dict=True).loss.backward()
        model.zero_grad(set_to_none=True)
        if options.device == "cuda":
            torch.cuda.synchronize()

    seconds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(options.rounds + 3):
        for name, model in models.items():
            start = clock()
            step(model)
            if turn >= 3:
                seconds[name].append(clock() - start)
    peaks = {n: peak_bytes(lambda m=m: step(m), options.device) for n, m in models.items()}  # type: ignore[misc]
    report(seconds, peaks, ids.numel())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="4m")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


def models_of_shape(*shape: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: AutoModelForCausalLM.from_pretrained(path, trust_remote_code=True)
            for name, path in directories(folder, *shape).items()
        }


def directories(
    folder: str, width: int, feedforward: int, layers: int, heads: int, vocabulary: int
) -> dict[str, str]:
    """A model of transformers, and the same as a directory of parts."""
    config = LlamaConfig(
        hidden_size=width,
        intermediate_size=feedforward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        vocab_size=vocabulary,
        tie_word_embeddings=True,
    )
    paths = {name: f"{folder}/{name}" for name in ("transformers", "forgather")}
    LlamaForCausalLM(config).save_pretrained(paths["transformers"])
    convert(paths["transformers"], paths["forgather"], "forgather")
    return paths


def peak_bytes(step: Callable[[], None], device: str) -> int:
    """The most memory that a step holds beyond what was there before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(profile_memory=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    changes = sorted(
        (event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]"
    )
    peak = now = 0
    for _, change in changes:
        now += change
        peak = max(peak, now)
    return peak


def report(seconds: dict[str, list[float]], peaks: dict[str, int], tokens: int) -> None:
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    for name, median in medians.items():
        peak = peaks[name] / 2**20
        print(f"{name:14} {median * 1e3:8.1f} ms {tokens / median:10,.0f} tokens/s {peak:8.1f} MiB")
    theirs, ours = seconds["transformers"], seconds["forgather"]
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    memory = peaks["forgather"] / peaks["transformers"]
    print(f"speed {ratio:.2f} times transformers', memory {memory:.2f} times")


if __name__ == "__main__":
    main()
