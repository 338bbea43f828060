"""Documents as rows of their own lengths."""

import pickle
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from forgather_hydra.data import (
    StoryCorpus,
    TokenizeArguments,
    tokenize_documents,
    train_tokenizer,
)
from forgather_hydra.train import padding_collator

CORPUS = StoryCorpus(num_stories=60)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def tokenizer(cache: Path) -> PreTrainedTokenizerFast:
    return train_tokenizer(CORPUS, 400, cache_dir=cache)


def test_a_row_is_a_document_with_an_end(tokenizer, cache: Path) -> None:
    rows = tokenize_documents(CORPUS, "train", tokenizer, cache_dir=cache)
    texts = [document["text"] for document in CORPUS.train]
    assert len(rows) == len(texts)
    for row, text in zip(rows, texts, strict=True):
        assert row["input_ids"].tolist() == [*tokenizer.encode(text), tokenizer.eos_token_id]


def test_longer_documents_are_cut(tokenizer, cache: Path) -> None:
    whole = tokenize_documents(CORPUS, "eval", tokenizer, cache_dir=cache)
    cut = tokenize_documents(CORPUS, "eval", tokenizer, TokenizeArguments(9), cache_dir=cache)
    assert [row["input_ids"].tolist() for row in cut] == [
        row["input_ids"][:9].tolist() for row in whole
    ]


def test_a_worker_gets_the_place_and_not_the_contents(tokenizer, cache: Path) -> None:
    rows = tokenize_documents(CORPUS, "train", tokenizer, cache_dir=cache)
    assert rows[0]
    pickled = pickle.dumps(rows)
    assert len(pickled) < 1000
    assert pickle.loads(pickled)[3]["input_ids"].tolist() == rows[3]["input_ids"].tolist()


def test_batches_are_padded_and_cut(tokenizer, cache: Path) -> None:
    rows = tokenize_documents(CORPUS, "eval", tokenizer, cache_dir=cache)
    lengths = [len(row["input_ids"]) for row in rows]
    batch = padding_collator(tokenizer)([*rows])
    assert batch["input_ids"].shape == (len(rows), max(lengths))
    assert (batch["labels"] != -100).sum(1).tolist() == lengths
    assert padding_collator(tokenizer, max_length=7)([*rows])["labels"].shape[1] == 7


def test_a_length_that_cuts_nothing_is_refused(tokenizer) -> None:
    with pytest.raises(ValueError, match="without truncation"):
        TokenizeArguments(9, truncation=False)
    with pytest.raises(ValueError, match="give 2 or more"):
        TokenizeArguments(1)
    with pytest.raises(ValueError, match="without truncation"):
        padding_collator(tokenizer, truncation=False, max_length=9)


def test_an_empty_split_is_told(tokenizer, cache: Path) -> None:
    with pytest.raises(ValueError, match="'eval' of stories has no document"):
        tokenize_documents(StoryCorpus(9, eval_fraction=0), "eval", tokenizer, cache_dir=cache)


@pytest.mark.parametrize("options", [{"max_length": 1}, {"max_length": 4, "truncation": False}])
def test_lengths_that_cannot_be_are_refused(options) -> None:
    assert TokenizeArguments(max_length=2).max_length == 2
    with pytest.raises(ValueError, match="max_length"):
        TokenizeArguments(**options)
