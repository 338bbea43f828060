"""Packed rows of token ids."""

import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast

from forgather_hydra.data import (
    FolderCorpus,
    StoryCorpus,
    TokenBlocks,
    pack_blocks,
    train_tokenizer,
)

CORPUS = StoryCorpus(num_stories=300)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def tokenizer(cache: Path) -> PreTrainedTokenizerFast:
    return train_tokenizer(CORPUS, 400, cache_dir=cache)


def test_rows_are_the_documents_with_an_end_after_each(tokenizer, cache: Path) -> None:
    blocks = pack_blocks(CORPUS, "train", tokenizer, 64, cache_dir=cache)
    expected: list[int] = []
    for document in CORPUS.train:
        expected += [*tokenizer(document["text"])["input_ids"], tokenizer.eos_token_id]
    assert len(blocks) == len(expected) // 64
    assert blocks.num_tokens == len(blocks) * 64
    assert blocks.rows.ravel().tolist() == expected[: blocks.num_tokens]
    assert blocks.rows.dtype == np.uint16


def test_splits_differ_and_an_unknown_one_is_refused(tokenizer, cache: Path) -> None:
    train = pack_blocks(CORPUS, "train", tokenizer, 64, cache_dir=cache)
    held_out = pack_blocks(CORPUS, "eval", tokenizer, 64, cache_dir=cache)
    assert 0 < len(held_out) < len(train) / 10
    with pytest.raises(ValueError, match="'validation'"):
        pack_blocks(CORPUS, "validation", tokenizer, cache_dir=cache)


def test_max_tokens_keeps_the_beginning(tokenizer, cache: Path) -> None:
    everything = pack_blocks(CORPUS, "train", tokenizer, 64, cache_dir=cache)
    some = pack_blocks(CORPUS, "train", tokenizer, 64, max_tokens=1000, cache_dir=cache)
    assert len(some) == 1000 // 64
    assert (some.rows == everything.rows[: len(some)]).all()


def test_max_tokens_counts_over_batches(tokenizer, cache: Path, monkeypatch) -> None:
    everything = pack_blocks(CORPUS, "train", tokenizer, 64, cache_dir=cache)
    monkeypatch.setattr("forgather_hydra.data.blocks._BATCH_CHARACTERS", 500)
    some = pack_blocks(CORPUS, "train", tokenizer, 64, max_tokens=1001, cache_dir=cache)
    assert len(some) == 1001 // 64
    assert (some.rows == everything.rows[: len(some)]).all()


def test_settings_left_on_the_tokenizer_change_nothing(tokenizer, cache: Path) -> None:
    expected = pack_blocks(CORPUS, "eval", tokenizer, 32, cache_dir=cache)
    used = pickle.loads(pickle.dumps(tokenizer))
    used(["a", "b c"], padding="max_length", truncation=True, max_length=5)
    assert pack_blocks(CORPUS, "eval", used, 32, cache_dir=cache).path == expected.path


def test_special_tokens_in_the_text_stay_text(tokenizer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("never <|eos|> " * 50, encoding="utf-8")
    corpus = FolderCorpus(tmp_path, eval_fraction=0)
    blocks = pack_blocks(corpus, "train", tokenizer, 10, cache_dir=tmp_path / "cache")
    assert tokenizer.eos_token_id not in blocks.rows
    assert tokenizer.decode(blocks.rows.ravel()).startswith("never <|eos|> never")


def test_items_batches_and_workers(tokenizer, cache: Path) -> None:
    blocks = pack_blocks(CORPUS, "train", tokenizer, 64, cache_dir=cache)
    item = blocks[3]["input_ids"]
    assert item.dtype == torch.long
    assert item.tolist() == blocks.rows[3].tolist()
    batch = blocks.__getitems__([5, 3])
    assert [row["input_ids"].tolist() for row in batch] == blocks.rows[[5, 3]].tolist()
    loader = DataLoader(blocks, batch_size=4, num_workers=1, multiprocessing_context="spawn")
    assert next(iter(loader))["input_ids"].tolist() == blocks.rows[:4].tolist()


def test_pickle_carries_the_path_and_not_the_rows(tokenizer, cache: Path) -> None:
    blocks = pack_blocks(CORPUS, "train", tokenizer, 64, cache_dir=cache)
    assert len(blocks) > 0
    pickled = pickle.dumps(blocks)
    assert len(pickled) < 500
    assert (pickle.loads(pickled).rows == blocks.rows).all()


def test_unigram_entropy_in_nats(tmp_path: Path) -> None:
    np.array([0, 0, 1, 1, 5, 5, 9, 9], np.uint32).tofile(tmp_path / "ids.bin")
    blocks = TokenBlocks(tmp_path / "ids.bin", block_size=4, dtype="uint32")
    assert blocks.unigram_entropy() == pytest.approx(math.log(4))


def test_large_vocabulary_is_not_cut_to_16_bits(tmp_path: Path) -> None:
    model = models.WordLevel({"<eos>": 0, "last": 70_000, **{f"w{i}": i for i in range(1, 70_000)}})
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), eos_token="<eos>")
    (tmp_path / "a.txt").write_text("last", encoding="utf-8")
    corpus = FolderCorpus(tmp_path, eval_fraction=0)
    blocks = pack_blocks(corpus, "train", tokenizer, 2, cache_dir=tmp_path / "cache")
    assert blocks[0]["input_ids"].tolist() == [70_000, 0]


def test_too_little_text(tokenizer, tmp_path: Path) -> None:
    corpus = StoryCorpus(num_stories=2)
    with pytest.raises(ValueError, match=r"'eval' of stories gives \d+ tokens.* 5000"):
        pack_blocks(corpus, "eval", tokenizer, 5000, cache_dir=tmp_path)
    with pytest.raises(ValueError, match="gives 0 tokens"):
        pack_blocks(StoryCorpus(2, eval_fraction=0), "eval", tokenizer, cache_dir=tmp_path)
    assert not list((tmp_path / "blocks").glob("*.bin"))


def test_tokenizer_without_an_end_token(cache: Path) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    with pytest.raises(ValueError, match="no eos_token"):
        pack_blocks(CORPUS, "train", tokenizer, cache_dir=cache)


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from forgather_hydra.data import *\n"
        "corpus = StoryCorpus(300)\n"
        "tokenizer = train_tokenizer(corpus, 400, cache_dir=sys.argv[1])\n"
        "blocks = pack_blocks(corpus, 'train', tokenizer, 64, cache_dir=sys.argv[1])\n"
        "print(blocks.path.name, blocks.rows.sum())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate()[0] for process in running)
    assert first == second != ""
    kept = [path for path in tmp_path.glob("*/*") if path.suffix != ".lock"]
    assert len(kept) == 2
