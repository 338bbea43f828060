"""An application without templates behaves the same whether this package is installed or not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

APPLICATION = '''
import contextlib, io, json, os, sys, types

if "bare" in sys.argv:
    hidden = types.ModuleType("hydra_plugins")
    hidden.__path__ = []
    sys.modules["hydra_plugins"] = hidden

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf


@hydra.main(version_base=None, config_path="conf", config_name="config")
def app(cfg):
    print(OmegaConf.to_yaml(cfg, resolve=True))
    return cfg.db.port


def call(words):
    sys.argv = ["app.py", *words]
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app()
        except SystemExit as stop:
            code = stop.code
    GlobalHydra.instance().clear()
    return [out.getvalue(), err.getvalue(), code]


if __name__ == "__main__":
    if sys.argv[1:2] == ["commands"]:
        done = {" ".join(words): call(words) for words in json.load(sys.stdin)}
        ours = [m for m in sys.modules if m.startswith("forgather_hydra")]
        heavy = [m for m in ("torch", "transformers", "datasets", "jinja2") if m in sys.modules]
        print(json.dumps({"done": done, "ours": ours, "heavy": heavy}))
    else:
        app()
'''

FILES = {
    "config.yaml": "# primary\ndefaults:\n  - db: mysql\n  - _self_\nseed: 1  # a comment -- set\n"
    "text: 'see !call'\nlist: [1, 2]\nalias: ${db}\nns:\n  a: 1\n",
    "db/mysql.yaml": "# @package db\nport: 3306\nuser: root\n",
    "db/sqlite.yaml": "port: 0\nfile: x.db\n",
    "db/twice.yaml": "port: 1\nport: 2\n",
    "db/broken.yaml": "port: [1\n",
}

COMMANDS: list[list[str]] = [
    ["--cfg", "job"],
    ["--cfg", "all", "seed=7"],
    ["--cfg", "job", "--resolve", "db=sqlite"],
    ["--cfg", "hydra"],
    ["--info", "defaults"],
    ["--info", "defaults-tree"],
    ["--info", "config"],
    ["--info", "searchpath"],
    ["--help"],
    ["--hydra-help"],
    ["-sc", "query=bash"],
    ["hydra.run.dir=out/run", "+new=3", "++db.user=me", "~list", "ns.a=5"],
    ["-m", "hydra.sweep.dir=out/sweep", "db=mysql,sqlite", "seed=1,2"],
    ["-m", "hydra.sweep.dir=out/key", "db=mysql,sqlite", "db.file=y"],
    ["seed=1,2"],
    ["sed=1"],
    ["alias.port=1"],
    ["ns.b=1"],
    ["ns.a=${nothing}", "hydra.run.dir=out/bad"],
    ["db=postgres"],
    ["database=mysql"],
    ["db=twice"],
    ["db=broken"],
    ["seed=[1"],
    ["~nothing"],
    ["--config-name", "absent"],
    ["--config-dir", "absent"],
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, Any], Path]]:
    found = []
    for mode in ("ours", "bare"):
        folder = tmp_path_factory.mktemp(mode) / "app"
        for name, text in FILES.items():
            (folder / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "conf" / name).write_text(text)
        (folder / "app.py").write_text(APPLICATION)
        words = [sys.executable, "app.py", "commands", mode]
        done = subprocess.run(
            words, cwd=folder, input=json.dumps(COMMANDS), capture_output=True, text=True, check=True
        )
        found.append((json.loads(done.stdout.splitlines()[-1].replace(str(folder), "APP")), folder))
    return found


@pytest.mark.parametrize("command", [" ".join(words) for words in COMMANDS])
def test_same_output(command: str, outcomes: list[tuple[dict[str, Any], Path]]) -> None:
    ours, stock = (_normal(outcome["done"][command]) for outcome, _ in outcomes)
    assert ours == stock
    assert ours[0] or ours[1]


def test_same_files(outcomes: list[tuple[dict[str, Any], Path]]) -> None:
    ours, stock = (_written(folder) for _, folder in outcomes)
    assert ours == stock
    assert any("sweep/3/.hydra/hydra.yaml" in name for name in ours)


def test_duplicate_keys_are_still_errors(outcomes: list[tuple[dict[str, Any], Path]]) -> None:
    _, error, code = outcomes[0][0]["done"]["db=twice"]
    assert code == 1
    assert "found duplicate key port" in error


def test_nothing_heavy_is_imported(outcomes: list[tuple[dict[str, Any], Path]]) -> None:
    assert outcomes[1][0]["ours"] == []
    assert outcomes[0][0]["ours"] != []
    assert outcomes[0][0]["heavy"] == []


def _normal(outcome: list[Any]) -> list[Any]:
    """An outcome without the time of day, and with the end of a traceback only."""
    out, error, code = outcome
    out = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+", "TIME", out)
    if error.startswith("Traceback"):
        error = error.rpartition("\n  File")[2].partition("\n")[2]
    return [out, error, code]


def _written(folder: Path) -> dict[str, str]:
    files = sorted(path for path in (folder / "out").rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_text().replace(str(folder), "APP")
        for path in files
        if path.suffix == ".yaml"
    }
