"""Freeze what a run consists of into its directory: text, graph, Python, versions and git state."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from forgather_hydra.config.composition import Composition
from forgather_hydra.graph.codegen.generate import generate_code
from forgather_hydra.graph.dump import to_yaml
from forgather_hydra.rundir.files import write_json
from forgather_hydra.rundir.names import CODE, GIT, GRAPH, RENDERED, VERSIONS

_PACKAGES = (
    "forgather-hydra",
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "tokenizers",
    "safetensors",
    "hydra-core",
    "omegaconf",
    "jinja2",
    "pyyaml",
    "numpy",
)


def snapshot(run_dir: Path, graph: Any, composition: Composition) -> None:
    """Write ``config.pp.yaml``, ``graph.yaml``, ``graph.py``, ``versions.json``, ``git.json``."""
    (run_dir / RENDERED).write_text(_rendered(composition), encoding="utf-8")
    (run_dir / GRAPH).write_text(to_yaml(graph), encoding="utf-8")
    (run_dir / CODE).write_text(generate_code(graph), encoding="utf-8")
    write_json(run_dir / VERSIONS, versions())
    write_json(run_dir / GIT, git_state(Path.cwd()))


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that results depend on."""
    found = {"python": sys.version.split()[0], "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, Any]:
    """Commit, changed files and their difference in the repository around `folder`, if any."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = (_git(folder, "status", "--porcelain") or "").splitlines()
    return {"commit": commit, "changed": changed, "diff": _git(folder, "diff", "HEAD") or ""}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.rstrip("\n")


def _rendered(composition: Composition) -> str:
    parts = [f"# ---- {name}: as rendered ----\n{text}" for name, text in composition.texts.items()]
    return "\n".join(parts)
