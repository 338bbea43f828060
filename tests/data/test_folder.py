"""The user's own files."""

from pathlib import Path

import pytest

from forgather_hydra.data import FolderCorpus


def texts(folder: Path, **settings) -> list[str]:
    return list(FolderCorpus(folder, **settings).texts())


def test_reads_both_kinds_recursively_in_sorted_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "deep.txt").write_text("deep\n\ntext", encoding="utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "one"}\n\n{"text": "zwölf"}\n', encoding="utf-8")
    (tmp_path / "a.txt").write_text("\ufefffirst", encoding="utf-8")
    (tmp_path / "blank.txt").write_text(" \n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("not read", encoding="utf-8")
    assert texts(tmp_path) == ["first", "deep\n\ntext", "one", "zwölf"]
    assert texts(tmp_path, pattern="*.jsonl") == ["one", "zwölf"]


def test_another_text_field(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "hello", "text": 1}', encoding="utf-8")
    assert texts(tmp_path, text_field="body") == ["hello"]


def test_a_single_file_gives_both_splits(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("line of the book\n" * 200, encoding="utf-8")
    corpus = FolderCorpus(tmp_path)
    (train,), (held_out,) = corpus.train, corpus.eval
    assert train["text"] + held_out["text"] == "line of the book\n" * 200
    assert 200 < len(held_out["text"]) < 400


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("before", encoding="utf-8")
    before = FolderCorpus(tmp_path).fingerprint()
    assert FolderCorpus(tmp_path).fingerprint() == before
    (tmp_path / "a.txt").write_text("after!", encoding="utf-8")
    assert FolderCorpus(tmp_path).fingerprint() != before


def test_nothing_is_read_before_use(tmp_path: Path) -> None:
    corpus = FolderCorpus(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match=r"missing.*data\.path="):
        next(iter(corpus.train))


def test_folder_without_text_files(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"\.txt or \.jsonl"):
        texts(tmp_path)


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "book.txt"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(NotADirectoryError, match=r"data\.corpus\.pattern=book\.txt"):
        texts(file)


def test_a_folder_of_tables_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nhello\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"only \.csv: .*data=saved"):
        texts(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": ', r"a\.jsonl:2: not a JSON line: .* column"),
        ("[1, 2]", r"a\.jsonl:2: expected a JSON object"),
        ('{"body": "x", "id": 3}', r"a\.jsonl:2: no field 'text'; it has body, id"),
        ('{"text": 3}', r"a\.jsonl:2: field 'text' holds int"),
        (r'{"text": "half \ud83d"}', r"a\.jsonl:2: field 'text' has half of a surrogate pair"),
        ("[" * 100_000, r"a\.jsonl:2: not a JSON line"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n' + line, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        texts(tmp_path)


@pytest.mark.parametrize("name", ["old.txt", "old.jsonl"])
def test_file_in_another_encoding_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes('{"text": "zwölf"}'.encode("latin-1"))
    with pytest.raises(ValueError, match=rf"{name}(:1)? is not UTF-8"):
        texts(tmp_path)
