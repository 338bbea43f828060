"""Data by name: what the groups read, from the command line's words to documents."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.config.application import composed
from forgather_hydra.config.check import check_job, decoded_job
from forgather_hydra.graph.build import materialize

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


def corpus_of(*words: str) -> Any:
    with composed(["+experiment=stories", *words]) as job:
        check_job(job)
        return materialize(decoded_job(job)["data"]["corpus"])


def test_files_are_named_by_a_pattern_and_a_column(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as lines:
        lines.writelines(json.dumps({"body": f"text {number}"}) + "\n" for number in range(4))
    (tmp_path / "other.csv").write_text("body\nfor evaluation\n")
    pattern = f"data.path='{tmp_path}/*.jsonl*'"
    corpus = corpus_of("data=files", pattern, "data.text_field=body")
    assert len(list(corpus.train)) == 3
    apart = f"data.eval_path={tmp_path}/other.csv"
    corpus = corpus_of("data=files", pattern, "data.text_field=body", apart)
    assert len(list(corpus.train)) == 4
    assert list(corpus.eval) == [{"text": "for evaluation"}]


def test_a_dataset_of_the_hub_is_named_with_all_that_chooses_a_part_of_it() -> None:
    corpus = corpus_of(
        *("data=hub", "data.name=someone/tales", "data.split='train[:10]'", "data.subset=short"),
        *("data.revision=main", "data.streaming=true", "data.text_field=story"),
    )
    assert (corpus.path, corpus.config_name, corpus.revision) == ("someone/tales", "short", "main")
    assert (corpus.train_split, corpus.streaming) == ("train[:10]", True)
    assert corpus.text_field == "story"
