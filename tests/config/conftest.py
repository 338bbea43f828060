"""Small Hydra applications in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

APPLICATION = """
import contextlib, io, json, sys, types

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
    commands = json.load(sys.stdin)
    outcomes = {" ".join(words): call(words) for words in commands}
    print(json.dumps({"outcomes": outcomes, "modules": list(sys.modules)}))
"""


class Outcome(NamedTuple):
    """What a command printed, and its exit code."""

    out: str
    error: str
    code: int


class Outcomes(NamedTuple):
    """What a process did for each command, and the modules that it imported."""

    of: dict[str, Outcome]
    modules: list[str]


RunCommands = Callable[..., Outcomes]


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def run_commands() -> RunCommands:
    """Run command lines of an application, whose configs are in ``folder/conf``, in one process.

    With ``mode="bare"`` no Hydra plugin is to be seen there.
    """

    def run(folder: Path, commands: list[list[str]], mode: str = "ours") -> Outcomes:
        write_files(folder, {"app.py": APPLICATION})
        done = subprocess.run(
            [sys.executable, "app.py", mode],
            cwd=folder,
            input=json.dumps(commands),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        last = done.stdout.splitlines()[-1]  # worker processes may have printed before
        told: dict[str, Any] = json.loads(last.replace(str(folder), "APP"))
        of = {command: Outcome(*outcome) for command, outcome in told["outcomes"].items()}
        return Outcomes(of, told["modules"])

    return run


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], Path]:
    """Write an application with the given config files; its folder is returned."""

    def make(files: dict[str, str]) -> Path:
        folder = tmp_path_factory.mktemp("application")
        return write_files(folder, {f"conf/{name}": text for name, text in files.items()})

    return make


@pytest.fixture(scope="session")
def compose_in() -> Callable[..., DictConfig]:
    """Compose the config ``config`` of a folder with overrides, in this process."""

    def run(folder: Path, *overrides: str, **options: Any) -> DictConfig:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(folder), version_base=None):
            return compose("config", list(overrides), **options)

    return run
