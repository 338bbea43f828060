"""The interactive shell, and the commands that start or report other things."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from forgather_hydra.cli.forgather import main
from forgather_hydra.cli.shell import Shell
from forgather_hydra.cli.tensorboard import _where
from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir import record

HEAVY = ("torch", "transformers", "datasets", "accelerate")


def typed(cwd: Path, lines: str, *words: str) -> list[str]:
    """What is printed for some lines."""
    command = [sys.executable, "-m", "forgather_hydra.cli.forgather", *words, "-i"]
    done = subprocess.run(
        command, cwd=cwd, input=lines, capture_output=True, text=True, timeout=120, check=True
    )
    assert "Traceback" not in done.stderr
    return [line for line in (done.stdout + done.stderr).splitlines() if line]


def test_the_shell_keeps_what_was_chosen(projects: Path) -> None:
    lines = (
        "cd tiny\nconfig sub/shrt\nconfig sub/short\n"
        "explain trainer.args.max_steps\nls\n\n-t small explain trainer.args.max_steps\n"
        "config\nexplain trainer.args.max_steps trainer.args.max_steps=9\n"
        "pp 'x\nnonsense\ncd nowhere\nexit\nnever\n"
    )
    told = "\n".join(typed(projects, lines))
    for part in (
        "tiny> error: the project has no configuration 'sub/shrt'",
        "tiny:sub/short.yaml> trainer.args.max_steps: 2\n",
        "  small.yaml (default)",  # for which a configuration has no meaning
        "tiny:sub/short.yaml> trainer.args.max_steps: 4\n",
        "tiny> trainer.args.max_steps: 9\n",
        "error: No closing quotation",
        "invalid choice: 'nonsense'",
        "error: No such file or directory: nowhere",
    ):
        assert part in told
    assert "never" not in told


def test_the_shell_starts_with_a_project_and_ends_at_the_end(projects: Path) -> None:
    told = typed(projects, "targets\n", "-p", "language", "-t", "without_main")
    assert "language:without_main> other" in told
    assert "language:without_main> " in told


def test_the_shell_completes(projects: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(projects)
    shell = Shell("tiny", None, lambda words: pytest.fail("runs nothing"), ["train", "trefs", "pp"])
    assert shell.completenames("tr") == ["train", "trefs"]
    assert shell.complete_config("s") == ["small.yaml", "sub/short.yaml"]
    assert shell.complete_cd("t") == ["tiny/"]
    assert shell.completedefault("sub", "-t sub", 3, 6) == ["sub/short.yaml"]
    assert shell.completedefault("sub", "pp sub", 3, 6) == []
    shell.project = "."
    assert shell.complete_config("s") == []


def test_env_fits_on_a_screen_and_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom forgather_hydra.cli.forgather import main\nmain(['env'])\n"
        f"assert not set({HEAVY}) & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert told["python"] == sys.version.split()[0]
    assert told["executable"] == sys.executable
    assert told["OMP_NUM_THREADS"] == "3"
    assert {"torch", "transformers", "hydra-core", "GPU", "SLURM"} <= set(told)
    assert len(done.stdout.splitlines()) <= 32


def test_tb_finds_the_logs_of_runs(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for folder, config in (("outputs/a", "small"), ("multirun/0", "sub/short")):
        with SummaryWriter(str(tmp_path / folder / "runs")) as writer:
            writer.add_scalar("train/loss", 1.0, 1)
        begun = dict.fromkeys(record._ATTEMPT, "")
        run = {"signature": "", "status": "finished", "attempts": [begun]}
        run["overrides"] = [f"+project={config}"]
        (tmp_path / folder / "run.json").write_text(json.dumps(run))
    script = "from forgather_hydra.cli.forgather import main; main()"
    for words, count in (((), 2), (("outputs/a",), 1), (("--", "--tag", "other"), 0)):
        done = subprocess.run(
            [sys.executable, "-c", script, "tb", *words, "--inspect"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stdout.count("train/loss") == count, done.stdout + done.stderr

    assert _where(tmp_path, None) == f"--logdir={tmp_path}"
    short = f"--logdir_spec=multirun/0:{tmp_path}/multirun/0"
    assert _where(tmp_path, "sub/short.yaml") == short
    with pytest.raises(ForgatherError, match="no run of other"):
        _where(tmp_path, "other")


def test_tb_says_where_it_has_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(["tb"])
    assert caught.value.code == 2
    assert f"no run below {tmp_path} has logs" in capsys.readouterr().err
