"""A model is checked without weights: once for all jobs that have it, again when it changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from forgather_hydra import paths
from forgather_hydra.model import preflight


def test_an_equal_model_is_built_once(
    code: str, config: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[dict[str, object]] = []
    plain = preflight.build_model

    def counted(code: str, config: dict[str, object], *rest: object, **options: object) -> object:
        built.append(config)
        return plain(code, config, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(preflight, "build_model", counted)
    parts = tmp_path / "parts"
    shutil.copytree(paths.modelsrc_dir(), parts)
    for layers in (1, 2, 1, 1):
        preflight.check_model(code, {**config, "num_hidden_layers": layers}, [parts])
    assert [config["num_hidden_layers"] for config in built] == [1, 2]

    norm = parts / "rms_norm.py"
    norm.write_text(norm.read_text().replace("def __init__(self, ", "def __init__(self, hidden, "))
    with pytest.raises(TypeError, match="hidden"):
        preflight.check_model(code, {**config, "num_hidden_layers": 1}, [parts])
