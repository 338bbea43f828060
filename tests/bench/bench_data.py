"""Time tokenizing and packing a text, and reading the packed rows, against the library `datasets`.

python tests/bench/bench_data.py [megabytes] [repetitions]

Every way gives the same rows. `datasets.map` runs without its cache, in one process and in two.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, disable_progress_bars
from torch.utils.data import DataLoader

from forgather_hydra.data import FolderCorpus, SotuCorpus, pack_blocks, train_tokenizer
from forgather_hydra.train.batches.collator import PackedCollator, stack

ROW = 256


def text(megabytes: float) -> list[str]:
    """Paragraphs of real text, over and over again."""
    documents = [document["text"] for document in SotuCorpus().train]
    paragraphs = [part for document in documents for part in document.split("\n\n")]
    chosen: list[str] = []
    size = 0
    while size < megabytes * 1e6:
        chosen.append(paragraphs[len(chosen) % len(paragraphs)])
        size += len(chosen[-1])
    return chosen


def two_maps(dataset: Dataset, tokenizer: Any, processes: int) -> Dataset:
    """The usual way: tokenize in one map, cut into rows in another."""

    def tokenize(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        ids = tokenizer(batch["text"])["input_ids"]
        return {"input_ids": [[*row, tokenizer.eos_token_id] for row in ids]}

    def group(batch: dict[str, list[list[int]]]) -> dict[str, list[list[int]]]:
        ids = list(chain.from_iterable(batch["input_ids"]))
        return {"input_ids": [ids[i : i + ROW] for i in range(0, len(ids) - ROW + 1, ROW)]}

    options = {"batched": True, "num_proc": processes if processes > 1 else None}
    options |= {"load_from_cache_file": False}
    tokens = dataset.map(tokenize, remove_columns=["text"], **options)
    return tokens.map(group, **options)


def seconds(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def tokens_per_second(dataset: Any, collate: Any, batch_size: int = 16) -> float:
    loader = DataLoader(dataset, batch_size=batch_size, collate_fn=collate)
    return len(dataset) * ROW / seconds(lambda: [None for _ in loader])


def main(megabytes: float = 10, repetitions: int = 3) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    disable_progress_bars()
    logging.disable(logging.WARNING)
    folder = Path(tempfile.mkdtemp())
    (folder / "text").mkdir()
    paragraphs = text(megabytes)
    lines = (json.dumps({"text": paragraph}) + "\n" for paragraph in paragraphs)
    (folder / "text" / "all.jsonl").write_text("".join(lines), encoding="utf-8")
    corpus = FolderCorpus(folder / "text", eval_fraction=0)
    tokenizer = train_tokenizer(corpus, 2000, cache_dir=folder / "cache")
    dataset = Dataset.from_dict({"text": [d["text"] for d in corpus.train]})
    texts = dataset["text"][:]
    encoder = tokenizer.backend_tokenizer
    corpus.fingerprint()
    rows: dict[str, list[float]] = {}
    for turn in range(repetitions):
        ways: dict[str, Callable[[], Any]] = {
            "tokenizer alone": lambda: encoder.encode_batch_fast(texts),
            "pack_blocks": lambda turn=turn: pack_blocks(
                corpus, "train", tokenizer, ROW, cache_dir=folder / f"cache-{turn}"
            ),
            "pack_blocks, found in the cache": lambda turn=turn: pack_blocks(
                corpus, "train", tokenizer, ROW, cache_dir=folder / f"cache-{turn}"
            ),
            "two datasets.map, 1 process": lambda: two_maps(dataset, tokenizer, 1),
            "two datasets.map, 2 processes": lambda: two_maps(dataset, tokenizer, 2),
        }
        for name, way in ways.items():
            rows.setdefault(name, []).append(seconds(way))
    base = statistics.median(rows["pack_blocks"])
    for name, times in rows.items():
        middle = statistics.median(times)
        print(f"{name:34} {megabytes / middle:7.1f} MB/s  {middle / base:5.2f} x pack_blocks")
    blocks = pack_blocks(corpus, "train", tokenizer, ROW, cache_dir=folder / "cache-0")
    arrow = Dataset.from_dict({"input_ids": np.asarray(blocks.rows)}).with_format("torch")
    for name, data, collate in (
        ("packed rows", blocks, stack),
        ("packed rows, documents apart", blocks, PackedCollator(tokenizer.eos_token_id)),
        ("datasets, torch format", arrow, stack),
    ):
        speed = statistics.median(tokens_per_second(data, collate) for _ in range(repetitions))
        print(f"{name:34} {speed / 1e6:7.1f} million tokens/s in batches of 16")


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((float, int), sys.argv[1:], strict=False)))
