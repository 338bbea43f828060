"""Defaults lists that name each other: one error with the line that closes the circle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError

TEMPLATE = "-- set ns = namespace()\n-- set ns.x = 1\na: {{ ns.x }}\ndefaults: [%s]\n"


def test_templates(tmp_path: Path, compose_in: Any) -> None:
    (tmp_path / "config.yaml").write_text(TEMPLATE % "b")
    (tmp_path / "b.yaml").write_text("defaults: [config]\n")
    with pytest.raises(ForgatherError) as caught:
        compose_in(tmp_path)
    assert caught.value.kind == "cyclic_defaults"
    assert "config.yaml:4: " in str(caught.value)
    assert "config -> b -> config" in str(caught.value) or "b -> config -> b" in str(caught.value)


def test_plain_files_of_our_command_line(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/a.yaml").write_text("# @package _global_\ndefaults: [a]\n")
    with pytest.raises(ForgatherError, match="experiment/a -> experiment/a"):
        fg.launch(f"hydra.searchpath=[file://{tmp_path}]", "+experiment=a")
