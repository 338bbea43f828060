"""What is known of templates from former commands: the same as what is found out anew."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from forgather_hydra.cli.forgather import main
from forgather_hydra.project import meta

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")

WARNED = "-- extends 'project.yaml'\n[no_such_block]\n    x: 1\n"
FILES = {
    "meta.yaml": "-- extends 'meta_defaults.yaml'\n[configs]\nname: P{n}\n",
    "templates/project.yaml": (
        "-- set ns = namespace(name='one')\n-- block about\n-- endblock about\n"
        "meta: !dict\n    config_name: {{ ns.name }}\n"
        "    config_description: made {{ isotime()[:0] }}\n"
    ),
    "templates/configs/a.yaml": "-- extends 'project.yaml'\n",
    "templates/configs/b.yaml": WARNED,
    "templates/configs/clock.yaml": "meta: !dict {config_name: {{ utcnow().year // 3000 }}}\n",
    "templates/configs/year.yaml": "meta: !dict {config_name: {{ utcnow().year }}}\n",
    "templates/configs/broken.yaml": "-- extends 'projct.yaml'\n",
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of three projects, and a cache of its own."""
    common = tmp_path / "forgather_workspace"
    common.mkdir()
    (common / "meta_defaults.yaml").write_text(
        "description: d\n-- block configs\n-- endblock configs\n"
    )
    for number in range(3):
        for name, text in FILES.items():
            file = tmp_path / f"p{number}" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("{n}", str(number)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command of a new process prints, warnings included."""
    meta._known.clear()
    with pytest.warns() as warnings, suppress(SystemExit):  # which tells of a broken one
        main([*words])
    found = sorted(f"{w.filename}:{w.lineno} {w.message}" for w in warnings)
    return "\n".join([capsys.readouterr().out, *found])


def kept_files(workspace: Path) -> list[Path]:
    return sorted(workspace.glob("cache/forgather_hydra/templates/*.json"))


def anew(capsys: pytest.CaptureFixture[str], workspace: Path, *words: str) -> str:
    """What it prints if nothing is kept."""
    for file in kept_files(workspace):
        file.unlink()
    return told(capsys, *words)


COMMANDS = [("ls", "-r"), ("-p", "p1", "index")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_was_kept_is_what_is_found_out(
    workspace: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    first = told(capsys, *words)
    assert "one: made" in first
    assert "projct.yaml" in first
    assert "no_such_block" in first
    assert kept_files(workspace)
    assert told(capsys, *words) == first
    for number, file in enumerate(kept_files(workspace)):
        text = file.read_text()
        damaged = ("", text[: len(text) // 2], "[]", '{"content": {"a.yaml": 3}}')
        file.write_text(damaged[number % 4])
    assert told(capsys, *words) == first


EDITS = {
    "parent": ("p1/templates/project.yaml", "'one'", "'two'"),
    "parent of meta.yaml": ("forgather_workspace/meta_defaults.yaml", ": d", ": e"),
    "what an error suggests": ("p1/templates/configs/broken.yaml", "projct", "praject"),
    "where a warning stands": ("p1/templates/configs/b.yaml", "no_such", "nu_such"),
}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edit_shows_at_once(
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    edit: tuple[str, str, str],
) -> None:
    former = told(capsys, *words)
    name, old, new = edit
    file = workspace / name
    stamp = file.stat()
    file.write_text(file.read_text().replace(old, new))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as if within the same moment
    after = told(capsys, *words)
    if "index" not in words or name.startswith("p1/t"):
        assert after != former
    assert after == anew(capsys, workspace, *words)


def test_a_template_that_comes_before_another_one_is_seen(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = workspace / "forgather_workspace/common.yaml"
    common.write_text("meta: !dict {config_name: of all}\n")
    (workspace / "p0/templates/configs/a.yaml").write_text("-- include 'common.yaml'\n")
    assert "of all" in told(capsys, "ls", "-r")
    (workspace / "p0/templates/common.yaml").write_text("meta: !dict {config_name: its own}\n")
    assert "its own" in told(capsys, "ls", "-r")
    (workspace / "p0/forgather_workspace").mkdir()
    assert "meta_defaults.yaml" in told(capsys, "ls", "-r")


def test_a_folder_that_the_project_adds_is_searched(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "one: made" in told(capsys, "ls", "-r")
    first = workspace / "p0/first"
    first.mkdir()
    (first / "project.yaml").write_text("meta: !dict {config_name: of the new folder}\n")
    with (workspace / "p0/meta.yaml").open("a") as file:
        file.write("searchdir: [first, templates]\n")
    assert "of the new folder" in told(capsys, "ls", "-r")


def test_a_warning_is_told_once(workspace: Path) -> None:
    shared = workspace / "forgather_workspace/shared.yaml"
    shared.write_text("-- extends 'of_shared.yaml'\n[no_such_block]\nx: 1\n")
    (workspace / "forgather_workspace/of_shared.yaml").write_text(
        "-- block about\n-- endblock about\n"
    )
    for file in workspace.glob("p*/templates/configs/*.yaml"):
        file.write_text("-- extends 'shared.yaml'\n")
    for _ in range(2):
        script = "import sys; from forgather_hydra.cli.forgather import main; main(); "
        script += "print('torch' in sys.modules, file=sys.stderr)"
        words = [sys.executable, "-c", script, "ls", "-r"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stderr.count("ForgatherWarning") == 1
        assert done.stderr.endswith("False\n")


def test_the_templates_that_take_part_are_kept(
    projects: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(projects / "cache"))
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "the same throughout")

    def shown(*words: str) -> str:
        meta._known.clear()
        main(["-p", str(projects / "tiny"), "-t", "small", "trefs", *words])
        return capsys.readouterr().out

    first = shown()
    kept = [*projects.glob("cache/forgather_hydra/templates/*.json")]
    assert shown() == first
    assert shown("optimizer=mine") != first
    (projects / "tiny/templates/more.yaml").write_text("## nothing\n")
    small = projects / "tiny/templates/configs/small.yaml"
    small.write_text(
        small.read_text().replace("ns.heads = 2\n", "ns.heads = 2\n-- include 'more.yaml'\n")
    )
    assert "more.yaml" in shown()
    assert kept
