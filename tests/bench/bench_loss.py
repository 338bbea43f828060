"""CPU time and peak memory of the plain, the chunked and the fused loss at a large vocabulary.

Forward and backward pass from hidden states to the gradients of hidden states and decoder, each
loss in a process of its own, whose resident memory is measured: `python tests/bench/bench_loss.py`
"""

import argparse
import importlib
import multiprocessing
import resource
import sys
import time
from types import ModuleType

import torch
from torch import nn

from forgather_hydra import paths

LOSSES = ("plain", "chunked", "fused")


def measure(name: str, args: argparse.Namespace, results) -> None:
    """Send CPU seconds of the fastest repetition, growth of resident memory in MiB, the loss."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    loss_fn = load(name, args.chunk_size)
    x = torch.randn(1, args.tokens, args.width, requires_grad=True)
    labels = torch.randint(0, args.vocabulary, (1, args.tokens))
    decoder = nn.Linear(args.width, args.vocabulary, bias=False)
    before, seconds = peak_mib(), []
    for _ in range(args.repeat):
        x.grad = decoder.weight.grad = None
        start = time.process_time()
        loss = loss_fn(x, decoder, labels)
        loss.backward()
        seconds.append(time.process_time() - start)
    results.put((min(seconds), peak_mib() - before, loss.item()))


def load(name: str, chunk_size: int):
    """A function `(hidden states, decoder, labels)`."""
    package = ModuleType("parts")
    package.__path__ = [str(paths.modelsrc_dir())]
    sys.modules["parts"] = package
    if name == "fused":
        module = importlib.import_module("parts.linear_causal_loss")
        return module.LinearCausalLoss(chunk_size).from_hidden_states
    if name == "chunked":
        loss = importlib.import_module("parts.chunked_causal_loss").ChunkedCausalLoss(chunk_size)
    else:
        loss = importlib.import_module("parts.causal_loss").CausalLoss()
    return lambda x, decoder, labels: loss(decoder(x), labels)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=int, default=131072)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--chunk-size", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print(f"{args.tokens} tokens, vocabulary {args.vocabulary}, width {args.width}")
    print(f"{'loss':8} {'seconds':>8} {'peak MiB':>9} {'value':>10}")
    for name in LOSSES:
        results = context.Queue()
        process = context.Process(target=measure, args=(name, args, results))
        process.start()
        seconds, mib, value = results.get()
        process.join()
        print(f"{name:8} {seconds:8.2f} {mib:9.0f} {value:10.5f}")


if __name__ == "__main__":
    main()
