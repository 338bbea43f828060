"""The page on the code: in which order to read it, and one phrase for each file."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# From what leans on nothing to what leans on all; a test holds the arrows.
ROOMS = (
    *("template", "graph", "config", "project", "editor", "model", "modelsrc", "data", "train"),
    *("run", "rundir", "evaluation", "sweep", "jobs", "report", "cli"),
)
_HEAD = """\
# Architecture

<!-- Made by docs/generate/pages.py from the first line of each file; a test compares. -->

    template --render--> text --parse--> graph --encode--> OmegaConf --Hydra overrides--> OmegaConf
       --decode--> graph --build--> objects --train--> metrics
                        \\--codegen--> Python source / standalone model directory

Each arrow is one module with one function to call, every stage can be printed, and a test holds that rooms lean one
way only: `python tests/test_arrows.py` prints the picture.

## Read the code in this order

1. `conf/experiment/baseline.yaml`, and what it extends: `templatelib/base/training/causal_lm.yaml`
2. `forgather_hydra/template/syntax.py`, `render.py`: text to text, every line traced
3. `forgather_hydra/graph/parse.py`, `build.py`: text to nodes to objects
4. `forgather_hydra/config/encode.py`, `settle.py`, `decode.py`: nodes to OmegaConf, overrides, and back, sharing included
5. `forgather_hydra/run/job.py`, `train/run.py`, `train/trainer.py`, `train/loop.py`, `train/parallel/base.py`: the job, down to
   `optimizer.step()`

## Every file

"""


def page() -> str:
    """The whole page."""
    package = ROOT / "forgather_hydra"
    rooms = [(ROOT / name if name == "modelsrc" else package / name) for name in ROOMS]
    parts = [_files(package, sorted(package.glob("*.py")))]
    known = {path.name for path in rooms}
    others = sorted(p for p in package.iterdir() if (p / "__init__.py").is_file())
    rooms += [path for path in others if path.name not in known]
    rooms.append(ROOT / "launchers")
    parts += [_files(room, sorted(room.rglob("*.py"))) for room in rooms if room.is_dir()]
    return _HEAD + "\n".join(parts)


def _files(room: Path, files: list[Path]) -> str:
    about = _phrase(room / "__init__.py") if (room / "__init__.py").is_file() else ""
    lines = [f"### `{room.relative_to(ROOT)}`\n", *([f"{about}\n"] if about else [])]
    rows = [(path.relative_to(room), _phrase(path)) for path in files if path.stem != "__init__"]
    lines += ["| | |", "| --- | --- |", *(f"| `{name}` | {told} |" for name, told in rows)]
    return "\n".join([*lines, ""])


def _phrase(path: Path) -> str:
    """The first sentence of a file's docstring, on one line."""
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    words = " ".join(told.partition("\n\n")[0].split())
    return words.replace("|", "\\|").replace("``", "`").removesuffix(".")
