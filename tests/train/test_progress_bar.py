"""The bar fits the terminal, whatever its width, and leaves nothing behind where that changes."""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from toys import Rows

from forgather_hydra.train import ProgressCallback, TrainerCallback
from forgather_hydra.train.callbacks.bar import Line, LiveLine

TEXTS = ["loss 4.0514", "lr 2.78e-08", "605 tokens/s", "grad norm 1.816"]


def full_line() -> Line:
    line = Line("training", 1234, 1800)
    line.time, line.texts = "10:20:30", TEXTS
    return line


def shown(text: str) -> list[str]:
    """What was drawn, a line each time."""
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    return [line for line in re.split(r"[\r\n]", plain) if line]


def drawn(width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    with LiveLine(full_line(), console):
        pass
    (line,) = set(shown(console.file.getvalue()))
    return line


@pytest.mark.parametrize("width", [24, 40, 60, 80, 100, 160])
def test_step_and_time_are_whole_at_each_width(width: int) -> None:
    line = drawn(width)
    assert len(line) < width
    assert "1234/1800  10:20:30" in line


def test_the_less_important_goes_first() -> None:
    fits = {
        width: [text for text in ("━", *TEXTS) if text in drawn(width)] for width in range(24, 130)
    }
    assert fits[24] == []
    assert fits[129] == ["━", *TEXTS]
    for width in range(24, 129):
        kept = [text for text in fits[width] if text != "━"]
        assert kept == TEXTS[: len(kept)]
        assert len(kept) <= len([text for text in fits[width + 1] if text != "━"])


def test_no_wider_terminal_is_needed_than_for_the_step() -> None:
    assert drawn(11) == "1234/1800"


def test_a_run_on_a_terminal_of_80_columns(make_trainer) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    make_trainer(
        max_steps=180, logging_steps=20, max_grad_norm=1.0, callbacks=[ProgressCallback(console)],
        train_dataset=Rows(64),
    ).train()  # fmt: skip
    bars = [
        line for line in shown(console.file.getvalue()) if "training" in line and "loss" in line
    ]
    assert bars
    assert all("/180" in line and "…" not in line and "lr" in line for line in bars)
    assert "180/180" in bars[-1]


class Says(TrainerCallback):
    """Prints and logs in the middle of a run."""

    def on_step_end(self, args, state, control, **kwargs) -> None:
        print(f"printed {state.global_step}")
        logging.getLogger("said").warning("logged %d", state.global_step)


def test_what_is_printed_and_logged_stands_above_the_bar(make_trainer, capsys) -> None:
    logger, handler = logging.getLogger("said"), logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    stream = handler.stream
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    try:
        make_trainer(max_steps=2, callbacks=[Says(), ProgressCallback(console)]).train()
    finally:
        logger.removeHandler(handler)
    lines = shown(console.file.getvalue())
    for text in ("printed 1", "logged 1", "printed 2", "logged 2"):
        assert lines.count(text) == 1
    assert handler.stream is stream
    assert capsys.readouterr() == ("", "")


SCRIPT = """
import sys, time
from rich.console import Console
from forgather_hydra.train.callbacks.bar import Line, LiveLine
line = Line("training", 0, 1000)
line.time, line.texts = "0:10:00", ["loss 4.0514", "lr 2.78e-08", "605 tokens/s", "grad norm 1.816"]
with LiveLine(line, Console()):
    print("above", flush=True)
    while line.step < 1000:
        time.sleep(0.1)
        line.step += 1
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[list[str]]:
    """A terminal that breaks its lines anew when it becomes narrower, with a bar in it."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    (tmp_path / "bar.py").write_text(SCRIPT)
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    run = [sys.executable, str(tmp_path / "bar.py")]
    own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    start = [*tmux, "new-session", "-d", "-x", "110", "-y", "12", *run]
    subprocess.run(start, check=True, env=own)
    yield tmux
    subprocess.run([*tmux, "kill-server"], check=True)


def screen(tmux: list[str], part: str) -> list[str]:
    """The lines of the terminal, once one has `part`."""
    for _ in range(300):
        told = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout
        if part in told:
            break
        time.sleep(0.1)
    return [line for line in told.splitlines() if line]


def test_nothing_stale_is_left_where_the_window_narrows(terminal: list[str]) -> None:
    assert "grad norm" in screen(terminal, "grad norm")[-1]
    for width, last in ((60, "lr 2.78e-08"), (30, "0:10:00")):
        subprocess.run([*terminal, "resize-window", "-x", str(width)], check=True)
        time.sleep(1)  # for the next drawing
        lines = screen(terminal, last)
        assert len([line for line in lines if line != "above"]) == 1, lines
        assert lines[-1].endswith(last)


def test_the_bar_has_a_width_that_it_does_not_pass() -> None:
    assert len(drawn(160)) == len(drawn(240))
