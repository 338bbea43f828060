"""Tokenizers trained on a corpus."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from forgather_hydra.data import FolderCorpus, StoryCorpus, train_tokenizer
from forgather_hydra.data.tokenizer import _sample

CORPUS = StoryCorpus(num_stories=200)
STRANGE = "  Ünïcode \U0001f600 日本\n\n\ttabs  and  spaces .  'quoted' , x\r\n"


def test_loads_as_any_tokenizer_and_gives_text_back(tmp_path: Path) -> None:
    trained = train_tokenizer(CORPUS, 400, model_max_length=128, cache_dir=tmp_path / "cache")
    trained.save_pretrained(tmp_path / "saved")
    loaded = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert loaded.decode(loaded(STRANGE)["input_ids"]) == STRANGE
    assert loaded(STRANGE)["input_ids"] == trained(STRANGE)["input_ids"]
    assert loaded.model_max_length == 128
    assert len(loaded) == 400
    special = ["<|pad|>", "<|bos|>", "<|eos|>"]
    assert [loaded.pad_token, loaded.bos_token, loaded.eos_token] == special
    assert loaded.convert_tokens_to_ids(special) == [0, 1, 2]


def test_the_same_text_gives_the_same_tokenizer(tmp_path: Path) -> None:
    first = train_tokenizer(CORPUS, 500, cache_dir=tmp_path / "one")
    second = train_tokenizer(StoryCorpus(200), 500, cache_dir=tmp_path / "two")
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()


def test_is_trained_once(tmp_path: Path) -> None:
    train_tokenizer(CORPUS, 300, cache_dir=tmp_path)
    (kept,) = (tmp_path / "tokenizers").glob("*/tokenizer.json")
    stamp = kept.stat().st_mtime_ns
    train_tokenizer(CORPUS, 300, cache_dir=tmp_path)
    assert kept.stat().st_mtime_ns == stamp
    train_tokenizer(CORPUS, 301, cache_dir=tmp_path)
    train_tokenizer(StoryCorpus(199), 300, cache_dir=tmp_path)
    assert len(list((tmp_path / "tokenizers").glob("*/tokenizer.json"))) == 3


def test_does_not_learn_from_held_out_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("zyzzyva " * 500, encoding="utf-8")
    (tmp_path / "b.txt").write_text("plain " * 500, encoding="utf-8")
    corpus = FolderCorpus(tmp_path, pattern="*.txt")
    tokenizer = train_tokenizer(corpus, 300, cache_dir=tmp_path / "cache")
    assert len(tokenizer.tokenize("plain")) < 3
    assert len(tokenizer.tokenize("zyzzyva")) == 7


def test_sample_is_spread_over_the_whole_text() -> None:
    documents = [{"text": str(number) * 1000} for number in range(10)] * 10
    sample = _sample(documents, 25_000)
    assert sum(map(len, sample)) == 25_000
    assert _sample(documents, 10**6) == [document["text"] for document in documents]


def test_sample_cuts_a_long_document() -> None:
    sample = _sample([{"text": "x" * 100_000}], 20_000)
    assert 10_000 <= sum(map(len, sample)) <= 20_000


def test_vocabulary_without_room_for_the_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="259 or more"):
        train_tokenizer(CORPUS, 258, cache_dir=tmp_path)


def test_corpus_without_text_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no text"):
        train_tokenizer(StoryCorpus(0), cache_dir=tmp_path)
    assert not [path for path in (tmp_path / "tokenizers").iterdir() if path.suffix != ".lock"]
