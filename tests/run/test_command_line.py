"""``python -m forgather_hydra``: overrides, sweeps, and one clear message for bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import TINY, Run, metrics

BASELINE = "+experiment=baseline"
HEAVY = ("torch", "transformers", "datasets", "accelerate", "tokenizers", "pandas")


def test_a_grid_of_six_jobs_each_with_its_own_directory(forgather: Run, tmp_path: Path) -> None:
    grid = ("optimizer.lr=1e-2,1e-3,1e-4", "trainer.args.seed=1,2")
    words = ("hydra/launcher=basic", "hydra.sweep.dir=sweep", "trainer.args.max_steps=2")
    tiny = [word for word in TINY if "max_steps=12" not in word]
    forgather("-m", *tiny, *words, *grid, cwd=tmp_path)
    runs = sorted(p.parent for p in tmp_path.glob("sweep/*/run.json"))
    assert [p.name for p in runs] == [str(i) for i in range(6)]
    losses = set()
    for run_dir in runs:
        assert json.loads((run_dir / "run.json").read_text())["status"] == "finished"
        assert (run_dir / "model" / "model.safetensors").exists()
        assert f"output_dir: {run_dir}" in (run_dir / "graph.yaml").read_text()
        losses.add(metrics(run_dir)[-1]["eval_loss"])
    assert len(losses) == 6


@pytest.mark.parametrize(
    "words", [("--cfg", "job"), ("--info", "defaults"), ("--help",), ("--cfg", "job", "--resolve")]
)
def test_looking_imports_nothing_heavy(words: tuple[str, ...], tmp_path: Path) -> None:
    script = (
        "import atexit, runpy, sys\n"
        f"atexit.register(lambda: print('HEAVY', [m for m in {HEAVY} if m in sys.modules]))\n"
        f"sys.argv = ['forgather_hydra', '{BASELINE}', *{words!r}]\n"
        "runpy.run_module('forgather_hydra', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "HEAVY []" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("override", "package", "line"),
    [
        ("optimizer.lr=3e-4", "optimizer", "lr: 0.0003"),
        ("trainer.optimizer_factory.lr=3e-4", "optimizer", "lr: 0.0003"),
        ("trainer.args.max_steps=20", "trainer.args", "max_steps: 20"),
        ("model_config.num_hidden_layers=2", "model_config", "num_hidden_layers: 2"),
        ("model.config.num_hidden_layers=2", "model_config", "num_hidden_layers: 2"),
        ("optimizer._target_=torch.optim.SGD", "optimizer", "_target_: torch.optim.SGD"),
        ("data=stories", "data.corpus", "_target_: forgather_hydra.data.StoryCorpus"),
        ("callbacks.samples=null", "callbacks", "samples: null"),
    ],
)
def test_overrides_reach_the_template(
    forgather: Run, tmp_path: Path, override: str, package: str, line: str
) -> None:
    done = forgather(BASELINE, override, "--cfg", "job", "-p", package, cwd=tmp_path)
    assert line in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("+experiment=basline",), ["no experiment 'basline'", "did you mean 'baseline'"]),
        ((BASELINE, "data=story"), ["no data 'story'", "stories"]),
        (
            (BASELINE, "trainer.max_steps=1"),
            ["did you mean trainer.args.max_steps?"],
        ),
        ((BASELINE, "optimzer.lr=1"), ["no key 'optimzer.lr'", "did you mean optimizer.lr"]),
        (
            (BASELINE, "trainer.args.bf16=true"),
            ["no key 'trainer.args.bf16'", "write +trainer.args.bf16=true"],
        ),
        (
            (BASELINE, "trainer.optimizer_factory.lr=abc", "+trainer.args.bf16=maybe"),
            [
                "2 problems",
                "trainer.optimizer_factory.lr=abc: torch.optim.AdamW takes a number",
                "+trainer.args.bf16=maybe: forgather_hydra.train.TrainingArguments takes true or",
            ],
        ),
        ((BASELINE, "nothing.like.it=1"), ["no key", "write +nothing.like.it=1"]),
        ((BASELINE, "optimizer.lr=[1"), ["optimizer.lr=[1"]),
        (
            (BASELINE, "+optimizer.momentun=1"),
            ["conf/optimizer/adamw.yaml:2", "takes no argument 'momentun'"],
        ),
        (
            (BASELINE, "optimizer._target_=torch.optim.SGDD"),
            ["error: optimizer._target_=torch.optim.SGDD", "has no 'SGDD'", "did you mean 'SGD'"],
        ),
        ((BASELINE, "data=folder"), ["folder.yaml:6", "data.path=..."]),
        ((BASELINE, "resume=nowhere"), ["resume=nowhere", "does not exist"]),
        (("-m", BASELINE, "+optimizer.momentun=1,2"), ["takes no argument 'momentun'"]),
        ((), ["+experiment=baseline"]),
    ],
    ids=lambda v: " ".join(v)[:40] if isinstance(v, tuple) else "",
)
def test_bad_input_gets_one_message_and_exit_code_2(
    forgather: Run, tmp_path: Path, words: tuple[str, ...], told: list[str]
) -> None:
    done = forgather(*words, cwd=tmp_path, expect=2)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1
    for part in told:
        assert part in done.stderr
    if words:
        assert not list(tmp_path.rglob("run.json"))


@pytest.mark.parametrize(
    ("prepare", "told"), [(False, "no folder"), (True, "no file that can be read")]
)
def test_a_missing_or_empty_data_folder(
    forgather: Run, tmp_path: Path, prepare: bool, told: str
) -> None:
    folder = tmp_path / "texts"
    if prepare:
        folder.mkdir()
    done = forgather(BASELINE, "data=folder", f"data.path={folder}", cwd=tmp_path, expect=2)
    assert told in done.stderr
    assert str(folder) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_of_ones_own_text_trains(forgather: Run, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    for i in range(20):
        (tmp_path / "texts" / f"{i}.txt").write_text(
            f"The {i}th story is about a cat and a dog. " * 60
        )
    words = [w for w in TINY if not w.startswith("data.corpus")]
    forgather(
        *words,
        "data=folder",
        "data.path=texts",
        "data.block_size=64",
        "data.packed=true",
        "trainer.args.max_steps=2",
        "hydra.run.dir=run",
        cwd=tmp_path,
    )
    assert metrics(tmp_path / "run")[-1]["final"] is True


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("+experiment=", "+experiment=baseline"),
        ("+experiment=baseline data=", "data=stories"),
        ("+experiment=baseline trainer.optimizer_factory.", "trainer.optimizer_factory.lr="),
    ],
)
def test_the_shell_completes_options_keys_and_references_without_torch(
    tmp_path: Path, typed: str, offered: str
) -> None:
    line = f"forgather-hydra {typed}"
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('HEAVY', [m for m in {HEAVY} if m in sys.modules]))\n"
        "sys.argv = ['forgather-hydra', '-sc', 'query=bash']\n"
        "from forgather_hydra.cli.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert offered in done.stdout.split()
    assert "HEAVY []" in done.stdout


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv[1:] = ['+main={_target_: signal.raise_signal, _partial_: true, _args_: [2]}']\n"
        "from forgather_hydra.cli.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130
    assert done.stderr.strip().startswith("interrupted; the same command with resume=auto")
    (record,) = tmp_path.glob("outputs/*/*/run.json")
    assert json.loads(record.read_text())["status"] == "interrupted"


def test_a_value_that_a_library_refuses_is_told_without_a_traceback(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.argv[1:] = ['+main={_target_: builtins.int, _partial_: true, _args_: [x]}']\n"
        "from forgather_hydra.cli.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for part in ("error: invalid literal", "in the call of int", "HYDRA_FULL_ERROR=1"):
        assert part in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--cfg", "job", "--resolve", "optimizer.lr=${oc.env:NOT_THERE}"), "error: optimizer.lr="),
        (
            ("--cfg", "job", "--resolve", "-p", "trainer", "trainer.args.seed=${nothing}"),
            "error: trainer.args.seed=${nothing}: Interpolation key 'nothing' not found",
        ),
        (("--info", "defaults", "optimizer=adamv"), "error: there is no optimizer 'adamv'\n"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_message(
    words: tuple[str, ...], message: str, forgather: Run, tmp_path: Path
) -> None:
    done = forgather(BASELINE, *words, cwd=tmp_path, expect=2)
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_a_part_is_shown_whatever_stands_beside_it(forgather: Run, tmp_path: Path) -> None:
    words = "--cfg", "job", "--resolve", "-p", "data", "trainer.args.seed=${nothing}"
    assert "vocab_size: 2000" in forgather(BASELINE, *words, cwd=tmp_path).stdout
