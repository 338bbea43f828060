"""Conversations: their columns, how they are written, what is learned, how they are packed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from datasets import Dataset

from forgather_hydra.chat_templates import with_chat_template
from forgather_hydra.data import (
    LocalConversations,
    StoryCorpus,
    TokenConversations,
    chatterbot_conversations,
    conversation_files,
    tokenize_conversations,
    train_tokenizer,
)
from forgather_hydra.data.token_conversations import pack
from forgather_hydra.train import conversation_collator

SYSTEM = "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}"
MINE = (
    SYSTEM
    + "{{ m.content }}<end>{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def new_tokenizer(tmp_path_factory: pytest.TempPathFactory):
    """Makes tokenizers of stories, with a chat template or without."""
    cache = tmp_path_factory.mktemp("cache")
    corpus = StoryCorpus(num_stories=100)
    return lambda **chat: train_tokenizer(corpus, 300, cache_dir=cache, **chat)


def said(*turns: str) -> list[dict[str, str]]:
    roles = ["user", "assistant"] * len(turns)
    return [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]


def source(*conversations: list[dict[str, str]]) -> LocalConversations:
    return LocalConversations("test", lambda: conversations, 0)


def tokenized(tmp_path: Path, tokenizer, *conversations, **settings) -> TokenConversations:
    corpus = source(*conversations)
    return tokenize_conversations(corpus, "train", tokenizer, cache_dir=tmp_path, **settings)


def learned(tokenizer, sample) -> str:
    return tokenizer.decode(sample["labels"][sample["labels"] >= 0])


ROWS = {
    "messages": {"messages": said("one", "two")},
    "prompt": {"prompt": "one", "completion": "two"},
    "prompt of messages": {"prompt": said("one"), "completion": said("one", "two")[1:]},
    "prompt in the completion": {"prompt": said("one"), "completion": said("one", "two")},
    "instruction": {"instruction": "one", "input": "", "output": "two"},
}
TOLD = {"role": "system", "content": "Be short."}


@pytest.mark.parametrize("row", ROWS)
def test_conversations_stand_in_any_of_the_usual_columns(tmp_path: Path, row: str) -> None:
    told = {**ROWS[row], "system": TOLD["content"]}
    (tmp_path / "a.jsonl").write_text(json.dumps(ROWS[row]) + "\r\n\r\n" + json.dumps(told))
    (tmp_path / "b.json").write_text(json.dumps([{"n": 1} | told, ROWS[row]], indent=1))
    plain = said("one", "two")
    assert list(conversation_files(tmp_path, eval_fraction=0).conversations("train")) == [
        *(plain, [TOLD, *plain], [TOLD, *plain], plain)
    ]


def test_what_messages_say_besides_is_read_by_the_template_or_told(
    tmp_path, new_tokenizer, caplog
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "plain.jinja").write_text(MINE)
    (tmp_path / "calls.jinja").write_text(MINE.replace("m.content", "m.tool_calls or m.content"))
    asked, answer = {"role": "user", "content": "Sun?"}, {"role": "assistant", "content": "Yes"}
    calls = {"role": "assistant", "content": None, "tool_calls": ["see"]}
    rows = [[asked, calls, asked, answer], [asked, answer | {"weight": 0}, asked, answer]]
    files = [tmp_path / name for name in ("calls.json", "weights.json")]
    for file, row in zip(files, rows, strict=True):
        file.write_text(json.dumps([{"messages": row}]))

    def learned_of(file: Path, template: str) -> str:
        tokenizer = new_tokenizer(chat_template=template, end_token="<end>")
        corpus = conversation_files(file, eval_fraction=0)
        (row,) = tokenize_conversations(corpus, "train", tokenizer, cache_dir=tmp_path)
        return learned(tokenizer, row)

    assert learned_of(files[0], str(tmp_path / "calls.jinja")) == "['see']<end>Yes<end>"
    assert "does not read" not in caplog.text
    with pytest.raises(ValueError, match="refuses a conversation: chatml writes no tool_calls"):
        learned_of(files[0], "chatml")
    assert learned_of(files[1], "chatml") == "Yes<|im_end|>"
    assert learned_of(files[1], str(tmp_path / "plain.jinja")) == "Yes<end>Yes<end>"
    assert "the chat template does not read weight of messages" in caplog.text


def test_the_input_of_an_instruction_follows_it(tmp_path: Path) -> None:
    rows = [{"instruction": "add", "input": "1 1", "output": "2"}]
    Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    corpus = conversation_files(tmp_path / "saved", eval_fraction=0)
    assert list(corpus.conversations("train")) == [said("add\n\n1 1", "2")]
    assert list(corpus.train) == [{"text": "add\n\n1 1\n2"}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "x"}, r"a\.jsonl:2: it has text: a conversation is in messages; or prompt"),
        ({"messages": []}, r"a\.jsonl:2: a conversation without messages"),
        ({"messages": [{"role": "me", "content": "x"}]}, r"message 0 has role 'me': give system,"),
        ({"messages": [{"role": "user"}]}, r"message 0 has no text 'content'"),
        (
            {"messages": [said("x")[0] | {"weight": 0.5}]},
            r"weight 0\.5: give 1, or 0",
        ),
        ({"prompt": "x"}, r"a\.jsonl:2: it has prompt: "),
        ({"prompt": "x", "completion": "y", "tools": [{}]}, r"a\.jsonl:2: it has tools, which"),
    ],
)
def test_a_row_that_is_no_conversation_is_named(tmp_path: Path, row, message) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"messages": said("one", "two")}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=message):
        list(conversation_files(file).conversations("train"))


def test_an_empty_answer_is_told_of_once(tmp_path: Path, caplog) -> None:
    empty = said("one", " ")
    silent = {"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]}
    rows = [said("one", "two"), [{**message, "weight": 0} for message in empty]]
    rows += [[said("one")[0], silent], empty, empty]
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(json.dumps({"messages": row}) for row in rows))
    corpus = conversation_files(file, eval_fraction=0)
    for _ in range(2):
        assert len(list(corpus.conversations("train"))) == 5
    (record,) = caplog.records
    assert f"{file}:4: message 1 is an empty answer of the assistant: it is" in record.message
    Dataset.from_list([{"prompt": "one", "completion": ""}]).save_to_disk(tmp_path / "saved")
    list(conversation_files(tmp_path / "saved", eval_fraction=0).conversations("train"))
    assert f"{tmp_path / 'saved'}: row 0: message 1 is an empty" in caplog.records[-1].message


def test_a_tokenizer_without_an_end_is_told(tmp_path: Path, new_tokenizer) -> None:
    tokenizer = new_tokenizer()
    tokenizer.eos_token, tokenizer.chat_template = None, MINE
    with pytest.raises(ValueError, match=r"no eos_token, .*data\.end_token="):
        tokenized(tmp_path, tokenizer, said("a", "b"))


def test_only_what_the_assistant_says_is_learned_and_how_it_ends(tmp_path, new_tokenizer) -> None:
    tokenizer = new_tokenizer(chat_template="auto")
    assert tokenizer.eos_token == "<|im_end|>"
    (sample,) = tokenized(tmp_path, tokenizer, said("Who are you?", "A fox.", "Oh.", "Yes"))
    assert learned(tokenizer, sample) == "A fox.<|im_end|>Yes<|im_end|>"
    assert tokenizer.decode(sample["input_ids"]).startswith("<|im_start|>user\nWho are you?")
    is_target = sample["labels"] >= 0
    assert torch.equal(sample["labels"][is_target], sample["input_ids"][is_target])


def test_a_template_of_ones_own_from_a_file(tmp_path: Path, new_tokenizer, caplog) -> None:
    caplog.set_level("INFO")
    (tmp_path / "mine.jinja").write_text(MINE)
    tokenized(tmp_path, new_tokenizer(chat_template=str(tmp_path / "mine.jinja")), said("a", "b"))
    assert "no answer holds the eos_token <|eos|>: unless" in caplog.text
    caplog.clear()
    tokenizer = new_tokenizer(chat_template=str(tmp_path / "mine.jinja"), end_token="<end>")
    (sample,) = tokenized(tmp_path, tokenizer, said("a", "b"))
    assert tokenizer.decode(sample["input_ids"]) == "[user]a[assistant]b<end>"
    assert (learned(tokenizer, sample), tokenizer.eos_token) == ("b<end>", "<end>")
    assert "no answer holds" not in caplog.text
    assert int(sample["input_ids"][-1]) == len(tokenizer) - 1
    assert with_chat_template(tokenizer, "auto").chat_template == MINE


def test_what_was_written_with_another_end_is_not_taken(tmp_path: Path, new_tokenizer) -> None:
    (tmp_path / "mine.jinja").write_text(MINE.replace("<end>", "{{ eos_token }}"))
    for end in "<one>", "<two>":
        settings = {"special_tokens": ["<one>", "<two>"], "end_token": end}
        tokenizer = new_tokenizer(chat_template=str(tmp_path / "mine.jinja"), **settings)
        (sample,) = tokenized(tmp_path, tokenizer, said("a", "b"))
        assert learned(tokenizer, sample) == f"b{end}"


@pytest.mark.parametrize(
    ("template", "message"),
    [("absent", "no shipped template; shipped: chatml"), ("plain", "does not mark what the model")],
)
def test_a_template_that_cannot_serve_is_told(tmp_path, new_tokenizer, template, message) -> None:
    (tmp_path / "plain").write_text("{{ messages }}")

    def used() -> None:
        tokenized(tmp_path, new_tokenizer(chat_template=str(tmp_path / template)), said("a", "b"))

    with pytest.raises(ValueError, match=message):
        used()


def test_a_split_without_conversations_is_told(tmp_path, new_tokenizer) -> None:
    tokenizer = new_tokenizer(chat_template="chatml")
    with pytest.raises(ValueError, match="'eval' of test has no conversation: there are too few"):
        tokenize_conversations(source(said("a", "b")), "eval", tokenizer, cache_dir=tmp_path)


def test_a_cut_conversation_keeps_its_targets_in_place(tmp_path, new_tokenizer, caplog) -> None:
    tokenizer = new_tokenizer(chat_template="chatml")
    long = said("a", "b " * 100)
    caplog.set_level("INFO")
    data = tokenized(tmp_path, tokenizer, long, said("c " * 100, "d"), max_length=32)
    (sample,) = data
    assert len(sample["input_ids"]) == 32
    assert learned(tokenizer, sample) == ("b " * 100)[: len(learned(tokenizer, sample))]
    assert int((sample["labels"] >= 0).sum()) > 10
    assert "1 without an answer in 32 tokens: left out" in caplog.text
    with pytest.raises(ValueError, match="no conversation has an answer of the assistant"):
        tokenized(tmp_path, tokenizer, said("c " * 100, "d"), max_length=32)


def test_rows_hold_whole_conversations_which_the_collator_keeps_apart(
    tmp_path: Path, new_tokenizer
) -> None:
    tokenizer = new_tokenizer(chat_template="chatml")
    every = [said("x" * number, "y" * number) for number in range(1, 30)]
    rows = tokenized(tmp_path, tokenizer, *every, max_length=128)
    alone = tokenized(tmp_path, tokenizer, *every, max_length=128, packed=False)
    assert len(rows) < len(alone) == len(every)
    assert max(rows.lengths) <= 128
    pieces = []
    for sample in rows:
        starts = sample["document_starts"].tolist()
        pieces += [tuple(p.tolist()) for p in sample["input_ids"].tensor_split(starts[1:])]
    assert sorted(pieces) == sorted(tuple(s["input_ids"].tolist()) for s in alone)
    batch = conversation_collator(tokenizer, packed=True)([rows[0], rows[1]])
    starts = (batch["position_ids"][0] == 0).nonzero().flatten().tolist()
    assert starts[: len(rows[0]["document_starts"])] == rows[0]["document_starts"].tolist()
    assert int((batch["labels"] >= 0).sum()) == sum(
        int((rows[i]["labels"] >= 0).sum()) for i in (0, 1)
    )


def test_packing_fills_rows() -> None:
    assert pack([5, 3, 2, 4, 6], 8) == [[0, 1], [2, 4], [3]]


def test_a_package_of_conversations(tmp_path: Path) -> None:
    corpus = chatterbot_conversations()
    train, held_out = (list(corpus.conversations(split)) for split in ("train", "eval"))
    assert len(train) > 1500
    assert 100 < len(held_out) < len(train) / 5
    assert not {c[0]["content"].lower() for c in train} & {
        c[0]["content"].lower() for c in held_out
    }
    assert all(c[-1]["role"] == "assistant" for c in train)
    assert "package chatterbot-corpus" in corpus.describe()


def test_answers_that_are_dates_stay_texts_and_numbers_are_told(tmp_path: Path) -> None:
    day = {"role": "assistant", "content": "2020-01-01"}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"prompt": "when?", "completion": "2020-01-01"}), encoding="utf-8")
    path.with_name("b.jsonl").write_text(json.dumps({"messages": [day]}), encoding="utf-8")
    found = list(conversation_files(tmp_path, eval_fraction=0.0).conversations("train"))
    assert [each[-1] for each in found] == [day, day]
    path.write_text(json.dumps({"prompt": "how many?", "completion": 7}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.jsonl:1: field 'completion' holds int, not a string"):
        list(conversation_files(tmp_path, eval_fraction=0.0).conversations("train"))


def test_calls_of_a_table_have_the_arguments_that_they_were_given(tmp_path: Path) -> None:
    """A column with types has each argument of any call, and null in all others."""

    def calling(**arguments: object) -> dict[str, object]:
        call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
        return {"messages": [{"role": "assistant", "content": "", "tool_calls": [call]}]}

    rows = [calling(city="x"), calling(day=1)]
    Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    Dataset.from_list(rows).to_parquet(tmp_path / "a.parquet")
    rows[1] = calling(day=None)  # said so, in lines
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def arguments(name: str) -> list[object]:
        found = conversation_files(tmp_path / name, eval_fraction=0).conversations("train")
        return [each[0]["tool_calls"][0]["function"]["arguments"] for each in found]

    assert arguments("saved") == arguments("a.parquet") == [{"city": "x"}, {"day": 1}]
    assert arguments("a.jsonl") == [{"city": "x"}, {"day": None}]
