"""Commands that tell about projects and their templates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forgather_hydra.cli.forgather import main

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")
HEAVY = ("torch", "transformers", "hydra", "datasets", "rich")


@pytest.fixture(autouse=True)
def in_workspace(projects: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(projects)
    monkeypatch.setattr(sys, "path", [*sys.path])


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    main([*words])
    return capsys.readouterr().out.splitlines()


def test_ls_shows_what_is_broken_and_goes_on(
    projects: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"bad": "config_prefix: [x]\n", "lost": "default_config: x.yaml\n"}.items():
        (projects / name / "templates/configs").mkdir(parents=True)
        (projects / name / "meta.yaml").write_text(text)
    (projects / "lost/templates/configs/a.yaml").touch()
    for folder in (".hydra", "copy"):
        (projects / "outputs" / folder).mkdir(parents=True)
    (projects / "outputs/copy/meta.yaml").touch()  # what a run has left is no project
    with pytest.raises(SystemExit) as caught:
        main(["ls", "-r"])
    assert caught.value.code == 1
    undefined = "'nothing' is undefined"
    assert capsys.readouterr().out.splitlines() == [
        "bad",
        "  error: bad/meta.yaml:1: config_prefix: it is text, not list",
        "language  Language",
        "  a.yaml (default)",
        "  list.yaml",
        "  without_main.yaml",
        f"  {'wrong.yaml':<17}  error: language/templates/configs/wrong.yaml:2: {undefined}",
        "    hint: give it a value, or write {{ ... | default(VALUE) }}",
        "lost",
        "  error: lost/meta.yaml:1: default_config: the project has no configuration 'x.yaml'",
        "    hint: did you mean 'a.yaml'?",
        "tiny  Tiny: Small runs",
        "  small.yaml (default)  Small: A tiny Llama on synthetic stories from a seeded grammar",
        "  sub/short.yaml        Small: A tiny Llama on synthetic stories from a seeded grammar",
    ]


def test_ls_of_one_project_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "-p", "tiny", "ls") == printed(capsys, "ls", "tiny")
    with pytest.raises(SystemExit):
        main(["ls"])
    assert "forgather ls -r" in capsys.readouterr().out


def test_index_is_the_readme_or_else_the_meta(
    projects: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = printed(capsys, "-p", "tiny", "index")
    assert told[:5] == ["# Tiny", "", "Small runs", "", "## Configurations"]
    assert told[6].startswith("- `small.yaml` Small: A tiny Llama")
    (projects / "language/README.md").write_text("# My own words\n")
    told = printed(capsys, "-p", "language", "index")
    assert told[0] == "# My own words"
    assert "- `wrong.yaml` broken: 'nothing' is undefined" in told


def test_meta_tells_where_things_come_from(
    projects: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (projects / "tiny/meta.yaml").write_text("searchdir: [templates, nowhere]\nsystem_path: src\n")
    told = printed(capsys, "-p", "tiny", "meta")
    values = dict(line.split(":", 1) for line in told[:7])
    assert values["workspace"].strip() == str(projects)
    assert values["default"].strip() == "small.yaml"
    assert values["code"].strip() == str(projects / "tiny/src")
    assert told[8:10] == [f"  {projects}/tiny/templates", f"  {projects}/tiny/nowhere  (missing)"]
    assert told[-1] == "  tiny/meta.yaml"


def test_tlist_shows_a_template_where_it_is_found(
    projects: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = projects / "tiny/templates/training/causal_lm.yaml"
    own.parent.mkdir()
    own.touch()
    told = printed(capsys, "-p", "tiny", "tlist")
    assert told[0] == str(projects / "tiny/templates")
    assert told.count("  training/causal_lm.yaml") == 1
    assert told.index("  training/causal_lm.yaml") < told.index("  models/causal_lm.yaml")


def test_trefs_is_the_tree_of_what_was_used(
    projects: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = projects / "language/templates"
    (folder / "configs/tree.yaml").write_text(
        "-- extends 'base.yaml'\n[body]\n-- for i in range(2)\n-- include 'part'\n-- endfor\n"
        "-- if false\n-- include 'absent.yaml'\n-- endif\n\n#---- part ----\n"
        "-- include ['no.yaml', 'leaf.yaml']\n"
    )
    (folder / "base.yaml").write_text("[body]\nx: 1\n[end]\ny: 2\n")
    (folder / "leaf.yaml").write_text("x: 3\n")
    words = ("-p", "language", "-t", "tree", "trefs")
    at = "language/templates"
    assert printed(capsys, *words) == [
        f"configs/tree.yaml  {at}/configs/tree.yaml",
        f"    base.yaml  {at}/base.yaml",
        f"    part  {at}/configs/tree.yaml:10",
        f"        leaf.yaml  {at}/leaf.yaml",
    ]
    files = [f"{at}/configs/tree.yaml", f"{at}/base.yaml", f"{at}/leaf.yaml"]
    assert printed(capsys, *words, "--files") == files


def test_trefs_has_the_chosen_groups_too(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "-p", "tiny", "-t", "sub/short", "trefs", "optimizer=mine")
    names = [line.split("  /")[0].split("  tiny/")[0] for line in told]
    chain = ["sub/short.yaml", "small.yaml"]
    assert names[:2] == [f"configs/{chain[0]}", f"    configs/{chain[1]}"]
    assert names[2:4] == ["        experiment/stories.yaml", "            training/causal_lm.yaml"]
    assert "optimizer/mine.yaml" in names
    assert "optimizer/adamw.yaml" not in names


def test_construct_can_call_what_it_has_built(capsys: pytest.CaptureFixture[str]) -> None:
    Path("language/templates/configs/call.yaml").write_text("f: !partial:operator:add [2, 3]\n")
    words = ("-p", "language", "-t", "call", "construct", "--target", "f")
    assert printed(capsys, *words) == ["<partial operator.add>"]
    assert printed(capsys, *words, "--call") == ["5"]


@pytest.mark.parametrize("words", ["ls -r", "-p tiny index", "-p tiny meta", "-p tiny tlist"])
def test_telling_about_projects_needs_neither_torch_nor_hydra(words: str) -> None:
    script = (
        "import sys\nfrom forgather_hydra.cli.forgather import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words.split()], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_reader_may_stop_early() -> None:
    forgather = f"{sys.executable} -c 'from forgather_hydra.cli.forgather import main; main()'"
    shell = f"{forgather} -p tiny tlist | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
