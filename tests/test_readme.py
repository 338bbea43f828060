"""What the README tells users to type is understood."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import textwrap
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from warm import WarmProcess

from forgather_hydra.cli.forgather import _parser
from forgather_hydra.config.application import graph_of
from forgather_hydra.graph.check import check

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGES = (ROOT / "docs/how-to/change.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (python -m forgather_hydra .*?[^\\])$", README + CHANGES, re.M | re.S)

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


@pytest.mark.parametrize("command", [c for c in COMMANDS if "+experiment" in c])
def test_commands_give_a_configuration_that_can_be_built(command: str) -> None:
    words = shlex.split(command.replace("\\\n", " "), comments=True)[3:]
    overrides = [first_of_sweep(word) for word in words if "=" in word]
    check(graph_of(overrides))


def first_of_sweep(word: str) -> str:
    override = OverridesParser.create().parse_override(word)
    if not override.is_sweep_override():
        return word
    return f"{override.get_key_element()}={next(override.sweep_string_iterator())}"


@pytest.mark.parametrize("start", ["forgather explain", "python -m .*momentun"])
def test_what_is_shown_is_printed(start: str, warm_training: WarmProcess) -> None:
    shown = re.search(rf"^    \$ ({start}.*)\n((?:    .*\n)+)", README, re.M)
    assert shown
    program, *words = shlex.split(shown[1])
    start_of = {"python": [], "forgather": ["-m", "forgather_hydra.cli.forgather"]}
    command = [*start_of[program], *words]
    done = warm_training.python(*command, cwd=ROOT, environment=os.environ)
    assert (done.stdout + done.stderr).strip() == textwrap.dedent(shown[2]).strip()


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 10
    assert len(README.splitlines()) <= 150
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_picture_is_of_the_recorded_run() -> None:
    """After a change: ``python docs/pictures/terminal.py``."""
    pictures = ROOT / "docs/pictures"
    spec = importlib.util.spec_from_file_location("terminal", pictures / "terminal.py")
    assert spec is not None
    assert spec.loader is not None
    terminal = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(terminal)
    log = (pictures / "baseline.log").read_text(encoding="utf-8")
    assert (pictures / "baseline.svg").read_text(encoding="utf-8") == terminal.picture(log)


def test_the_first_hour_can_be_followed(tmp_path: Path) -> None:
    """Its commands are understood, with the experiment that it has one write; it was followed by
    hand, too.
    """
    page = (ROOT / "docs/tutorials/first-hour.md").read_text(encoding="utf-8")
    for name, text in re.findall(r"^```yaml conf/(\S+)\n(.*?)```", page, re.M | re.S):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    commands = [shlex.split(line) for line in re.findall(r"^\$ (.*)$", page, re.M)]
    composed = [words[3:] for words in commands if words[:3] == ["python", "-m", "forgather_hydra"]]
    assert len(composed) == 4
    for words in composed:
        overrides = [first_of_sweep(word) for word in words if "=" in word]
        check(graph_of(overrides, config_dir=str(tmp_path)))
    asked = [words[1:] for words in commands if words[0] == "forgather"]
    assert len(asked) == 6
    for words in asked:
        assert _parser()[0].parse_known_args(words)[0].name == words[0]
