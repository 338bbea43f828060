"""``rerun=DIR`` repeats a run from what was frozen in its directory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tiny_runs import Run, metrics

from forgather_hydra.config.saved_run import rerun_overrides
from forgather_hydra.errors import ForgatherError


def test_a_rerun_has_the_same_losses_bit_for_bit(
    forgather: Run, finished: tuple[Path, str], tmp_path: Path
) -> None:
    forgather(f"rerun={finished[0]}", "hydra.run.dir=again", cwd=tmp_path)
    assert metrics(tmp_path / "again") == metrics(finished[0])
    original = (finished[0] / "config.pp.yaml").read_text()
    assert original in (tmp_path / "again" / "config.pp.yaml").read_text()


def test_a_rerun_uses_the_saved_configuration_and_takes_overrides_through_aliases(
    forgather: Run, finished: tuple[Path, str], tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(finished[0] / ".hydra", saved / ".hydra")
    config = saved / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("max_steps: 12", "max_steps: 13"))
    done = forgather(
        "rerun=saved", "trainer.optimizer_factory.lr=7", "--cfg", "job", cwd=tmp_path
    ).stdout
    assert "max_steps: 13" in done
    assert "lr: 7" in done


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe\x00"])
def test_a_damaged_configuration_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra/config.yaml").write_bytes(content)
    with pytest.raises(ForgatherError, match=r"config\.yaml is no configuration of a run"):
        rerun_overrides(tmp_path)


def test_a_run_of_another_user_needs_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra/config.yaml").write_text("main: 1\n")
    assert rerun_overrides(tmp_path)
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(ForgatherError, match="belongs to another user") as caught:
        rerun_overrides(tmp_path)
    assert "forgather.allow_targets=trusted" in str(caught.value.hint)
    assert rerun_overrides(tmp_path, ["forgather.allow_targets"])
