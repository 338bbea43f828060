"""Processes that are killed while they build the tokenizer and the blocks leave nothing behind.

`CHAOS_KILLS=20 pytest tests/chaos -k cache` kills more of them.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from client_processes import PRELOAD

from forgather_hydra.data import FolderCorpus, pack_blocks, train_tokenizer

KILLS = int(os.environ.get("CHAOS_KILLS", "2"))


def build(text: Path, cache: Path) -> None:
    """What the first run with a corpus does before it trains."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    corpus = FolderCorpus(text)
    tokenizer = train_tokenizer(corpus, vocab_size=600, cache_dir=cache)
    for split in ("train", "eval"):
        pack_blocks(corpus, split, tokenizer, block_size=32, cache_dir=cache)


def started(text: Path, cache: Path) -> BaseProcess:
    multiprocessing.set_forkserver_preload([*PRELOAD, "test_killed_cache"])
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=build, args=(text, cache))
    process.start()
    return process


def contents(cache: Path) -> dict[str, bytes]:
    files = [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefgh", k=draw.randint(2, 9))) for _ in range(20_000)]
    for number in range(20):
        (folder / f"{number}.txt").write_text(" ".join(draw.choices(words, k=10_000)))
    return folder


@pytest.fixture(scope="module")
def whole(text: Path, tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """What a cache holds in the end, and how long that takes."""
    started(text, tmp_path_factory.mktemp("first")).join()  # and imports everything
    cache = tmp_path_factory.mktemp("whole")
    begin = time.monotonic()
    started(text, cache).join()
    return contents(cache), time.monotonic() - begin


@pytest.mark.parametrize("seed", range(KILLS // 2))
def test_a_killed_build_of_the_cache(text: Path, whole, tmp_path: Path, seed: int) -> None:
    expected, seconds = whole
    draw = random.Random(seed)
    for _ in range(2):
        process = started(text, tmp_path)
        process.join(draw.uniform(0.1, 0.9) * seconds)
        process.kill()
        process.join()
    process = started(text, tmp_path)
    process.join()
    assert process.exitcode == 0
    assert contents(tmp_path) == expected
