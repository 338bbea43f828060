"""How the configurations of two runs differ."""

from __future__ import annotations

from pathlib import Path

from forgather_hydra.config.difference import ABSENT, difference


def run_with(directory: Path, text: str) -> Path:
    (directory / ".hydra").mkdir(parents=True)
    (directory / ".hydra/config.yaml").write_text(text)
    return directory


def test_each_path_on_either_side(tmp_path: Path) -> None:
    left = run_with(tmp_path / "a", "same: 1\nlr: 0.1\nbetas: [1, 2]\nold: {x: 1}\nempty: []\n")
    right = run_with(tmp_path / "b", "same: 1\nlr: 0.2\nbetas: [1, 3, 4]\nnew: []\nempty: []\n")
    assert difference(left, right) == [
        ("lr", 0.1, 0.2),
        ("betas.1", 2, 3),
        ("old.x", 1, ABSENT),
        ("betas.2", ABSENT, 4),
        ("new", ABSENT, []),
    ]
