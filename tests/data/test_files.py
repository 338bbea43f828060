"""The user's own files."""

import csv
import gzip
import json
from itertools import chain
from pathlib import Path

import fsspec
import pytest
from datasets import Dataset

from forgather_hydra.data import FilesCorpus, FolderCorpus
from forgather_hydra.data.tables import FileRows


def texts(folder: Path, **settings) -> list[str]:
    return list(FolderCorpus(folder, **settings).texts())


def test_reads_both_kinds_recursively_in_sorted_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "deep.txt").write_text("deep\n\ntext", encoding="utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "one"}\n\n{"text": "zwölf"}\n', encoding="utf-8")
    (tmp_path / "a.txt").write_text("\ufefffirst", encoding="utf-8")
    (tmp_path / "blank.txt").write_text(" \n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("not read", encoding="utf-8")
    (tmp_path / "b-2").mkdir()
    (tmp_path / "b-2" / "after.txt").write_text("after all of b", encoding="utf-8")
    assert texts(tmp_path) == ["first", "deep\n\ntext", "after all of b", "one", "zwölf"]
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
    with pytest.raises(FileNotFoundError, match=r"only \.md: \.txt, \.jsonl"):
        texts(tmp_path)


TABLES = {
    "a.jsonl.gz": "json",
    "b.json": "json",
    "c.csv": "csv",
    "d.tsv.xz": "tsv",
    "e.parquet": "parquet",
    "f.txt.bz2": "txt",
}
ROWS = ["first of {}", 'it says "zwölf",\nand goes on']


def write_table(file: Path, kind: str) -> list[str]:
    """A file of one kind, as other programs write it; the documents in it."""
    rows = [row.format(file.name) for row in ROWS]
    if kind == "parquet":
        Dataset.from_dict({"text": rows}).to_parquet(file)
        return rows
    with fsspec.open(str(file), "wt", encoding="utf-8", newline="", compression="infer") as out:
        if kind == "txt":
            rows = ["\n".join(rows)]
            out.write(rows[0])
        elif kind == "json" and ".jsonl" in file.name:
            out.writelines(json.dumps({"text": row}) + "\n" for row in rows)
        elif kind == "json":
            json.dump([{"text": row} for row in rows], out)
        else:
            table = csv.writer(out, delimiter="\t" if kind == "tsv" else ",")
            table.writerows([["text"], *([row] for row in rows)])
    return rows


def test_every_kind_of_file_alone_together_and_by_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "of [mine]"
    folder.mkdir()
    expected = {name: write_table(folder / name, kind) for name, kind in TABLES.items()}
    for name, documents in expected.items():
        assert list(FilesCorpus(folder / name).texts()) == documents
    assert list(FilesCorpus(folder).texts()) == [*chain(*expected.values())]
    several = FilesCorpus([f"{tmp_path}/*/*.jsonl.*", folder / "c.csv"])
    assert list(several.texts()) == expected["a.jsonl.gz"] + expected["c.csv"]


def test_documents_for_evaluation_from_files_of_their_own(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"text of {name}", encoding="utf-8")
    corpus = FilesCorpus(tmp_path / "a.txt", eval_path=tmp_path / "b.txt")
    assert [list(corpus.train), list(corpus.eval)] == [
        [{"text": "text of a"}],
        [{"text": "text of b"}],
    ]
    before = corpus.fingerprint()
    (tmp_path / "b.txt").write_text("another", encoding="utf-8")
    assert FilesCorpus(tmp_path / "a.txt", eval_path=tmp_path / "b.txt").fingerprint() != before


def test_empty_cells_are_no_documents_and_all_others_are_texts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,n\none,1\n,2\ntwo,007\n", encoding="utf-8")
    assert texts(tmp_path) == ["one", "two"]
    assert texts(tmp_path, text_field="n") == ["1", "2", "007"]
    with pytest.raises(ValueError, match=r"row 0: no field 'body'; it has text, n: name the one"):
        texts(tmp_path, text_field="body")


def test_words_of_a_table_that_pandas_takes_for_nothing_are_texts(tmp_path: Path) -> None:
    words = ["NA", "null", "None", "nan", "N/A", "True", "1.50"]
    for number, name in enumerate(("text", "n,text", "text,n,m")):  # files with other columns
        fields = [
            ",".join(word if each == "text" else "" for each in name.split(",")) for word in words
        ]
        (tmp_path / f"{number}.csv").write_text("\n".join([name, *fields]), encoding="utf-8")
    assert texts(tmp_path) == words * 3


@pytest.mark.parametrize("table", ["text\nhello, world\nx\n", "text,n\nfoo,1,\nbar,2,\n"])
def test_a_comma_that_moves_the_cells_of_a_table_is_told(tmp_path: Path, table: str) -> None:
    """Pandas takes the first cell for the name of its row, and the next for that of the text."""
    (tmp_path / "a.csv").write_text(table, encoding="utf-8")
    message = (
        r"a\.csv: the first row of a\.csv has more cells than the header: write texts in which"
    )
    with pytest.raises(ValueError, match=message):
        texts(tmp_path)
    (tmp_path / "a.csv").write_text('text\n"hello, world"\n', encoding="utf-8")
    assert texts(tmp_path) == ["hello, world"]


@pytest.mark.parametrize("written", [["2020-01-01", "1999-12-31"], ["2021-05-06 11:00"], ["10:30"]])
def test_texts_that_look_like_times_stay_as_they_are_written(tmp_path: Path, written) -> None:
    lines = "\n".join(json.dumps({"text": each, "id": 1}) for each in written)
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    assert texts(tmp_path) == written


@pytest.mark.parametrize("others", [{}, {"id": 1}])
def test_times_far_behind_other_texts_stay_as_they_are_written(tmp_path: Path, others) -> None:
    """Where `datasets` reads rows by the megabyte, those of one may all hold a time."""
    written = ["word", *["2020-01-01"] * 90_000]
    row = json.dumps({"text": "TEXT"} | others)
    lines = (row.replace('"TEXT"', json.dumps(each)) for each in written)
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert set(texts(tmp_path)) == {"word", "2020-01-01"}


def test_files_of_other_columns_are_read_together(tmp_path: Path) -> None:
    rows = [{"text": "a"}, {"text": "b", "n": 1}, {"n": 2, "text": "c"}, {"text": "d"}]
    for number, row in enumerate(rows):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert texts(tmp_path) == ["a", "b", "c", "d"]


def test_an_array_holds_what_lines_hold(tmp_path: Path) -> None:
    rows = [{"text": "2020-01-01", "n": [{"a": 1}, {"b": "2"}]}, {"text": "1999-12-31", "m": [2]}]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (tmp_path / "b.json").write_text('[{"text": "x", "n": 7}]', encoding="utf-8")
    assert texts(tmp_path) == ["2020-01-01", "1999-12-31", "x"]
    first, second, third = FileRows(tmp_path)
    assert (first["n"], second["m"], third["n"]) == (rows[0]["n"], [2], 7)


def test_a_broken_line_of_a_compressed_file_is_named(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as lines:
        lines.write('{"text": "fine"}\n{"text": \n')
    with pytest.raises(ValueError, match=r"a\.jsonl\.gz:2: not a JSON line"):
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
