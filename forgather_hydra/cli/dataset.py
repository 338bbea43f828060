"""``forgather dataset``: what a configuration trains on, without training."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from forgather_hydra.config.application import graph_of
from forgather_hydra.errors import ForgatherError

BAR = 40  # characters
SPLITS = ("train_dataset", "eval_dataset")
LIMIT = 20_000  # samples that are counted


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--samples", type=int, default=2, help="how many to print")
    parser.add_argument("overrides", nargs="*", help="as for python -m forgather_hydra")


def show(options: argparse.Namespace) -> None:
    """Builds the data of the configuration, and prints samples, lengths and numbers of tokens."""
    from rich.console import Console

    from forgather_hydra.graph.build import materialize

    graph = graph_of(options.overrides)
    if "data" not in graph:
        raise ForgatherError(
            "missing_key",
            "the configuration has no section data",
            hint="choose an experiment, such as +experiment=baseline",
        )
    # Not what makes batches of it, which needs torch.
    shown = [name for name in (*SPLITS, "tokenizer") if name in graph["data"]]
    data = materialize(graph["data"], targets=shown)
    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    for split in SPLITS:
        if data.get(split) is not None:
            console.rule(split)
            _show_split(console, data[split], data["tokenizer"], options.samples)


def _show_split(console: Any, dataset: Any, tokenizer: Any, samples: int) -> None:
    from forgather_hydra.cli.dataset_summary import first_rows, histogram, summarize

    found = summarize(dataset, tokenizer.eos_token_id, LIMIT)
    total = "a stream" if found.samples is None else f"{found.samples:,} samples"
    part = "" if found.samples == found.read else f" in the first {found.read:,}"
    console.print(f"{total}, {found.tokens:,} tokens{part}")
    if hasattr(dataset, "counts"):
        console.print(", ".join(f"{count:,} of {name}" for name, count in dataset.counts().items()))
    lengths = found.lengths
    console.print(
        f"tokens in {len(lengths):,} {found.counted}: {lengths.min():,} to {lengths.max():,}, "
        f"mean {lengths.mean():,.1f}"
    )
    bins = histogram(lengths)
    most = max(count for *_, count in bins)
    width = len(f"{bins[-1][1]:,}")
    for least, greatest, count in bins:
        bar = "█" * round(BAR * count / most)
        console.print(f"  {least:>{width},} to {greatest:>{width},}  {bar} {count:,}")
    for row in first_rows(dataset, samples):
        console.print(f"> {tokenizer.decode(row)}")
