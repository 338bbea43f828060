"""The bytes that tokens stand for, in vocabularies of each kind."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from forgather_hydra.evaluation.token_bytes import token_bytes

TEXTS = ["a naïve fox ran", "one 🦊 and two 🦊🦊", "a plain text of words"] * 3
SPECIAL = ["<s>", "</s>"]


def byte_level() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=270, special_tokens=SPECIAL, initial_alphabet=alphabet),
    )
    return made


def sentence_pieces() -> Tokenizer:
    pieces = [("<s>", 0.0), ("</s>", 0.0), *((f"<0x{b:02X}>", -20.0) for b in range(256))]
    pieces += [("▁", -5.0), *((letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz")]
    pieces += [("▁a", -2.0), ("▁fox", -2.0), ("words", -2.0)]
    made = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    made.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never"), decoders.Fuse()]
    )
    return made


@pytest.mark.parametrize("kind", [byte_level, sentence_pieces])
@pytest.mark.parametrize("text", TEXTS[:3])
def test_the_tokens_of_a_text_have_its_bytes(kind, text) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=kind(), bos_token="<s>", eos_token="</s>")
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert sum(token_bytes(tokenizer, ids)) == len(text.encode())
    assert len({*ids}) > 3
    assert token_bytes(tokenizer, [tokenizer.bos_token_id, tokenizer.eos_token_id]) == [0, 0]


def test_an_added_token_has_the_bytes_of_its_text() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level(), eos_token="</s>")
    tokenizer.add_tokens([AddedToken("naïveté", normalized=False)])
    (found,) = tokenizer.encode("naïveté", add_special_tokens=False)
    assert token_bytes(tokenizer, [found]) == [len("naïveté".encode())]


def test_words_count_with_the_space_between_them() -> None:
    backend = Tokenizer(models.WordLevel({"a": 0, "word": 1, "</s>": 2}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
    assert token_bytes(tokenizer, [1, 0, 2]) == [5, 2, 0]


def test_a_place_of_the_model_for_no_token_has_no_bytes() -> None:
    """A model's vocabulary may be padded to a round number."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level(), eos_token="</s>")
    assert token_bytes(tokenizer, [len(tokenizer) + 3]) == [0]
