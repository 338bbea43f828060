"""Files built once."""

from pathlib import Path

import pytest

from forgather_hydra.data.cache import build_once, content_hash


def test_hash_knows_where_a_part_ends() -> None:
    assert content_hash(["ab", "c"]) != content_hash(["a", "bc"])
    assert content_hash(["ab", "c"]) == content_hash(iter(["ab", "c"]))


def test_a_failed_build_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    target = tmp_path / "kind" / "file"

    def fail(aside: Path) -> None:
        aside.write_text("half", encoding="utf-8")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        build_once(target, fail)
    assert [path.name for path in target.parent.iterdir()] == ["file.lock"]
    build_once(target, lambda aside: aside.write_text("whole", encoding="utf-8") and None)
    assert target.read_text(encoding="utf-8") == "whole"


def test_a_folder_that_another_process_finished_first_is_taken(tmp_path: Path) -> None:
    target = tmp_path / "folder"

    def build(aside: Path) -> None:
        for folder in (aside, target):
            folder.mkdir()
            (folder / "content").touch()

    assert build_once(target, build) == target
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "folder.lock"]
