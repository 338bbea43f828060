"""Files built once."""

import errno
import os
from pathlib import Path

import pytest

from forgather_hydra.data import cache
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


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "blocks"
    folder.mkdir()
    (folder / ".a.bin.0123").write_text("half")
    (folder / ".a.bin.4567").mkdir()
    (folder / ".b.bin.0123").write_text("of another")
    build_once(folder / "a.bin", lambda aside: aside.write_text("whole") and None)
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") == [
        ".b.bin.0123", "a.bin",
    ]  # fmt: skip


def test_a_full_disk_is_told_with_the_folder_and_the_cure(tmp_path: Path) -> None:
    def build(aside: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="XDG_CACHE_HOME") as caught:
        build_once(tmp_path / "blocks/a.bin", build)
    assert str(tmp_path / "blocks") in str(caught.value)
    assert caught.value.errno == errno.ENOSPC


def test_files_are_read_again_only_when_they_have_changed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file, reads = tmp_path / "a.txt", []
    file.write_text("one")

    def found() -> str:
        reads.append(file.read_text())
        return f"hash of {reads[-1]}"

    def asked(is_to_keep: bool = True) -> tuple[str, int]:
        reads.clear()
        return cache.hash_of_files([file], ["all"], found, lambda: is_to_keep), len(reads)

    assert [asked(), asked()] == [("hash of one", 1)] * 2  # it may change within the same time
    monkeypatch.setattr(cache, "_JUST_WRITTEN", 0.0)
    assert asked(is_to_keep=False) == ("hash of one", 1)
    assert [asked(), asked()] == [("hash of one", 1), ("hash of one", 0)]
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_text("two")
    os.utime(file, ns=times)  # of the same size, and as old
    assert [asked(), asked()] == [("hash of two", 1), ("hash of two", 0)]
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))  # no folder
    assert asked() == ("hash of two", 1)
