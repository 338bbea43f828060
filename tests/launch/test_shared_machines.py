"""What other users of a machine, or of a directory, could have put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.local.slots import Slots, private_folder
from forgather_hydra.rundir.files import read_own, write_own


def test_the_folder_of_locks_is_this_users_own(tmp_path: Path, monkeypatch: object) -> None:
    made = private_folder(tmp_path / "own")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    made.chmod(0o777)
    assert stat.S_IMODE(private_folder(made).stat().st_mode) == 0o700


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForgatherError, match="not a folder of this user's own"):
        private_folder(tmp_path / "link")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of others")
def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "forgather").mkdir()
    os.chown(tmp_path / "forgather", 12345, 12345)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(ForgatherError, match="XDG_RUNTIME_DIR"):
        Slots(["cpu0"]).take(1)


def test_a_pickle_is_for_this_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "folder/return.pkl"
    write_own(file, b"content")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_own(file) == b"content"
    file.chmod(0o666)
    with pytest.raises(ForgatherError, match="another user could have written it"):
        read_own(file)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of others")
def test_a_pickle_of_another_user_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "return.pkl"
    write_own(file, b"content")
    os.chown(file, 12345, 12345)
    with pytest.raises(ForgatherError) as caught:
        read_own(file)
    assert caught.value.kind == "security"


def test_a_job_of_two_processes_gets_two_devices(tmp_path: Path) -> None:
    slots = Slots(["0", "0", "1", "1"], tmp_path)  # two jobs may share each
    taken = [slots.take(2) for _ in range(3)]
    assert [[slots.names[number] for number, _ in each or ()] for each in taken] == [
        ["0", "1"],
        ["0", "1"],
        [],
    ]
