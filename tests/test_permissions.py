"""A library that writes for the owner alone does not hide weights from everybody else."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from forgather_hydra.permissions import follow_umask


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_get_the_permissions_of_any_other(umask: int, tmp_path: Path) -> None:
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for file in files:
        file.write_text("weights")
        file.chmod(0o600)
    follow_umask(files)
    assert [mode(file) for file in files] == [0o666 & ~umask] * 2
    assert sorted(tmp_path.iterdir()) == files
    assert files[0].read_text() == "weights"
