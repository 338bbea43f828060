"""Generation and loading of our Llama against transformers' Llama of the same shape and weights.

python tests/bench/bench_generation.py [--tokens 100] [--rounds 12]

Turn by turn in one process, in processor time of one thread. Both generate the same tokens,
greedily and with a cache; both directories are loaded by `from_pretrained`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from bench_model import SHAPES, directories
from transformers import AutoModelForCausalLM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="4m")
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vocabulary = SHAPES[options.shape][-1]
    prompt = torch.randint(vocabulary, (1, 16))

    def generate(model: Any) -> torch.Tensor:
        return model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=options.tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )

    def load(path: str) -> Any:
        return AutoModelForCausalLM.from_pretrained(path, trust_remote_code=True).eval()

    with tempfile.TemporaryDirectory() as folder:
        paths = directories(folder, *SHAPES[options.shape])
        models = {name: load(path) for name, path in paths.items()}
        texts = [generate(model) for model in models.values()]
        print("the same tokens:", torch.equal(*texts))
        generations = {name: partial(generate, model) for name, model in models.items()}
        compare("generation", options.rounds, generations)
        compare("loading", options.rounds, {n: partial(load, path) for n, path in paths.items()})


def compare(what: str, rounds: int, calls: dict[str, Callable[[], Any]]) -> None:
    """Prints medians, and the median of the ratios of ours to theirs, turn by turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    for name, found in seconds.items():
        print(f"{what:12} {name:14} {statistics.median(found) * 1e3:8.1f} ms")
    pairs = zip(seconds["forgather"], seconds["transformers"], strict=True)
    print(f"{what}: {statistics.median(o / t for o, t in pairs):.2f} of transformers' time")


if __name__ == "__main__":
    main()
