"""Every notebook of the tutorials runs, and stands beside the Markdown that it is made of."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import jupytext
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "docs/tutorials/notebooks"
SOURCES = sorted(path for path in FOLDER.glob("*.md") if path.stem != "README")


def cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_it_runs(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = jupytext.read(source)
    assert cells(notebook) == cells(jupytext.read(source.with_suffix(".ipynb")))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    resources = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()


def test_there_are_eight() -> None:
    wanted = "dynamic_lm pipeline project_composition projects_overview slurm sweep_and_compare"
    assert [path.stem for path in SOURCES] == sorted([*wanted.split(), "syntax", "tiny_llama"])
