"""Datasets saved by the library `datasets`."""

from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from forgather_hydra.data import SavedCorpus

TEXTS = [f"text {number}" for number in range(20)]


def test_rows_are_documents_of_a_dataset_and_of_a_part_of_several(tmp_path: Path) -> None:
    dataset = Dataset.from_dict({"body": TEXTS, "other": range(20)})
    dataset.save_to_disk(tmp_path / "one")
    DatasetDict({"train": dataset, "test": dataset.select([0])}).save_to_disk(tmp_path / "several")
    for name in ("one", "several"):
        corpus = SavedCorpus(tmp_path / name, text_field="body", eval_fraction=0.25)
        train, held_out = ([d["text"] for d in split] for split in (corpus.train, corpus.eval))
        assert sorted(train + held_out) == sorted(TEXTS)
        assert len(held_out) == 5
    changed = dataset.map(lambda row: {"body": row["body"] + "!"})
    changed.save_to_disk(tmp_path / "changed")
    again = SavedCorpus(tmp_path / "changed", text_field="body", eval_fraction=0.25)
    assert again.fingerprint() != corpus.fingerprint()


def test_what_is_missing_is_named_with_what_there_is(tmp_path: Path) -> None:
    DatasetDict({"test": Dataset.from_dict({"body": TEXTS})}).save_to_disk(tmp_path)
    with pytest.raises(ValueError, match="no part 'train'; it has test"):
        list(SavedCorpus(tmp_path).train)
    with pytest.raises(ValueError, match="no field 'text'; it has body"):
        list(SavedCorpus(tmp_path, part="test").train)
    with pytest.raises(FileNotFoundError):
        list(SavedCorpus(tmp_path / "absent").train)
