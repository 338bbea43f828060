"""Projects: what meta.yaml says, how configurations are found, what a call returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import forgather_hydra as fg
from forgather_hydra.editor.check import problems_of
from forgather_hydra.errors import ForgatherError, ForgatherWarning
from forgather_hydra.project.listing import projects_below
from forgather_hydra.project.meta_file import read_meta
from forgather_hydra.project.workspace import WORKSPACE

Layout = Callable[[dict[str, str]], Path]

META_DEFAULTS = """\
-- set ns = namespace()
-- include "base_directories.yaml"
searchdir:
-- block searchdir_project
    - "{{ joinpath(project_dir, 'templates') }}"
-- endblock searchdir_project

-- block searchdir_common
    - "{{ joinpath(workspace_root, 'forgather_workspace') }}"
    - "{{ ns.library }}"
-- endblock searchdir_common

-- block configs
## config_prefix: "configs"
-- endblock configs
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


@pytest.fixture
def workspace(layout: Layout) -> Path:
    return layout(
        {
            "forgather_workspace/base_directories.yaml": (
                "-- set ns.library = joinpath(workspace_root, 'library')\n"
            ),
            "forgather_workspace/meta_defaults.yaml": META_DEFAULTS,
            "library/base.yaml": (
                "[main]\nmain: !call:dict {size: !var {name: size, default: 1}}\n\n"
                "[rest]\nrest: 1\n"
            ),
            "library/configs/shared.yaml": "-- extends 'base.yaml'\n",
            "p/meta.yaml": (
                "-- extends 'meta_defaults.yaml'\n\n-- block configs\nproject_name: Demo\n"
                "project_description: d\ndefault_config: first.yaml\n-- endblock configs\n"
            ),
            "p/templates/configs/first.yaml": (
                "-- extends 'base.yaml'\n[rest]\nrest: {{ project_dir | toyaml }}\n"
            ),
            "p/templates/configs/sub/second.yaml": (
                "main: {{ n | default(2) }}\ntext: !var pp_config\n"
            ),
        }
    )


def test_a_project_in_a_workspace(workspace: Path) -> None:
    project = fg.Project(project_dir=str(workspace / "p"))
    assert (project.meta.name, project.meta.description) == ("Demo", "d")
    assert project.meta.workspace_root == str(workspace)
    assert project.configs() == ["first.yaml", "shared.yaml", "sub/second.yaml"]
    assert project("rest") == str(workspace / "p")
    assert project() == {"size": 1}
    assert project("main", size=5) == {"size": 5}


def test_the_ways_to_call_a_project(workspace: Path) -> None:
    project = fg.Project("first.yaml", str(workspace / "p"))
    assert list(project("main", "rest")) == [{"size": 1}, str(workspace / "p")]
    assert project(["main"]).main == {"size": 1}
    assert project() is not project()
    with pytest.raises(ForgatherError, match="the targets are main, rest") as caught:
        project("zzz")
    assert isinstance(caught.value, KeyError)


def test_configurations_take_render_variables_and_see_their_own_text(workspace: Path) -> None:
    project = fg.Project(project_dir=str(workspace / "p"))
    project.load_config("sub/second.yaml", n=7)
    assert project() == 7
    assert project("text") == project.pp_config


def test_an_unknown_configuration_names_the_others(workspace: Path) -> None:
    with pytest.raises(ForgatherError, match=r"did you mean 'first\.yaml'") as caught:
        fg.Project("frist.yaml", str(workspace / "p"))
    assert caught.value.kind == "missing_template"


def test_a_project_within_a_project(workspace: Path) -> None:
    text = (
        "main: !call:forgather_hydra:from_project\n"
        f"    project_dir: {workspace / 'p'}\n    targets: main\n    size: 9\n"
    )
    assert fg.ConfigEnvironment([]).load_from_string(text).config()["main"] == {"size": 9}


def test_paths_are_absolute_whatever_the_working_directory(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace / "p")
    project = fg.Project()
    monkeypatch.chdir(workspace)
    assert project("rest") == str(workspace / "p")
    project.load_config("sub/second.yaml")


def test_relative_search_folders_belong_to_the_project(layout: Layout) -> None:
    root = layout(
        {
            "forgather_workspace/x": "",
            "p/meta.yaml": "searchdir: [mine, ../shared]\nconfig_prefix: runs\n",
            "p/mine/runs/a.yaml": "main: a\n",
            "shared/runs/b.yaml": "main: b\n",
        }
    )
    assert fg.Project("b.yaml", str(root / "p"))() == "b"
    assert fg.Project(project_dir=str(root / "p"))() == "a"


def test_keys_that_nothing_reads_warn_with_the_line(layout: Layout) -> None:
    files = {
        "forgather_workspace/x": "",
        "p/meta.yaml": "name: P\nserchdir: [a]\n",
        "p/templates/configs/a.yaml": "main: 1\n",
    }
    root = layout(files)
    with pytest.warns(ForgatherWarning, match="did you mean 'searchdir'") as caught:
        fg.Project(project_dir=str(root / "p"))
    assert (Path(caught[0].filename).name, caught[0].lineno) == ("meta.yaml", 2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: P\nsearchdir: nowhere\n", "searchdir: there is no folder"),
        ("name: P\nsearchdir:\n    - templates\n    - tmeplates\n", "p/tmeplates"),
        ("name: P\nsystem_path: nowhere\n", "system_path: there is no folder"),
    ],
)
def test_folders_that_are_not_there_warn_with_the_line(
    layout: Layout, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"forgather_workspace/x": "", "p/meta.yaml": text, "p/templates/configs/a.yaml": "m: 1"}
    root = layout(files)
    with pytest.warns(ForgatherWarning, match=told) as caught:
        read_meta(str(root / "p"))
    lines = text.count("\n")
    assert (Path(caught[0].filename).name, caught[0].lineno) == ("meta.yaml", lines)
    assert [(p.kind, p.line) for p in problems_of([str(root / "p/meta.yaml")])] == [
        ("missing_folder", lines)
    ]


@pytest.mark.parametrize("name", ["nosuch", "../a.yaml", "x/../../a"])
def test_a_default_configuration_that_is_not_there(layout: Layout, name: str) -> None:
    files = {
        "forgather_workspace/meta_defaults.yaml": f"-- set x = 1\ndefault_config: {name}\n",
        "p/meta.yaml": "-- extends 'meta_defaults.yaml'\n",
        "p/templates/configs/b.yaml": "main: 1\n",
        "p/templates/a.yaml": "main: 1\n",
    }
    root = layout(files)
    with pytest.raises(ForgatherError, match="default_config: the project has no") as caught:
        fg.Project(project_dir=str(root / "p"))
    assert (caught.value.template, caught.value.line) == ("meta_defaults.yaml", 2)
    assert [p.line for p in problems_of([str(root / "p/meta.yaml")])] == [2]
    assert fg.Project("b", str(root / "p"))() == 1
    with pytest.raises(ForgatherError, match=r"^the project has no configuration 'c'"):
        fg.Project("c", str(root / "p"))


@pytest.mark.parametrize(
    ("text", "line", "path"),
    [
        ("- 1\n", 1, None),
        ("name: x\nsearchdir: 3\n", 2, "searchdir"),
        ("config_prefix: [a]\n", 1, "config_prefix"),
    ],
)
def test_values_of_the_wrong_type(layout: Layout, text: str, line: int, path: str | None) -> None:
    root = layout({"forgather_workspace/x": "", "p/meta.yaml": text})
    with pytest.raises(ForgatherError) as caught:
        fg.Project(project_dir=str(root / "p"))
    error = caught.value
    assert (error.kind, error.template, error.line, error.path) == (
        "bad_meta",
        "meta.yaml",
        line,
        path,
    )


@pytest.mark.parametrize(
    ("folder", "kind", "told"),
    [
        ("solo", "no_workspace", "forgather_workspace"),
        ("ws/none", "no_project", "meta.yaml"),
        ("ws/empty", "missing_template", "configs"),
    ],
)
def test_what_is_missing(layout: Layout, folder: str, kind: str, told: str) -> None:
    root = layout(
        {
            "solo/meta.yaml": "",
            "ws/forgather_workspace/x": "",
            "ws/none/x": "",
            "ws/empty/meta.yaml": "",
        }
    )
    with pytest.raises(ForgatherError, match=told) as caught:
        fg.Project(project_dir=str(root / folder))
    assert caught.value.kind == kind
    assert caught.value.hint


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_configuration_that_chooses_parts_is_composed(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(projects)  # where a model's directory goes
    project = fg.Project("small", "tiny", overrides=["optimizer=mine", "ns.heads=4"])
    assert project("meta")["config_name"] == "Small"
    assert project.config.optimizer.kwargs == {"lr": 0.2}
    assert project.config["trainer"].kwargs["optimizer_factory"] is project.config.optimizer
    assert "hidden_size: 64" in project.pp_config
    project.load_config("sub/short")
    assert "hidden_size: 32" in project.pp_config
    assert project.config["trainer"].kwargs["args"].kwargs["max_steps"] == 2
    with pytest.raises(ForgatherError, match=r"\['ns.NAME=VALUE'\]"):
        fg.Project("small", "tiny", heads=4)
    with pytest.raises(ForgatherError, match=r"did you mean optimizer\.lr"):
        fg.Project("small", "tiny", overrides=["optimizr.lr=1"])


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_project_within_a_run_leaves_its_hydra_alone(projects: Path) -> None:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from forgather_hydra.paths import conf_dir

    with initialize_config_dir(str(conf_dir()), version_base=None):
        before = GlobalHydra.instance().hydra
        assert fg.from_project(str(projects / "tiny"), "small", "meta")["config_name"] == "Small"
        assert GlobalHydra.instance().hydra is before
        assert compose("config", ["output_root=x"]).output_root == "x"


def test_hidden_folders_hold_no_projects(tmp_path: Path) -> None:
    (tmp_path / WORKSPACE).mkdir()
    for name in ("seen", ".hidden", "__kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.yaml").write_text("name: x\n")
    assert [*projects_below(str(tmp_path))] == [str(tmp_path / "seen")]
