"""Hydra's own conformance suite, on our config sources: plain YAML, and every file a template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hydra.test_utils.config_source_common_tests import ConfigSourceTestSuite

from forgather_hydra.config.source import ForgatherOverlaySource, ForgatherSource
from forgather_hydra.project.source import ProjectSource

Plugins.instance()  # the suite restores the registry as it finds it here

TREE = {
    "config_without_group": "group: false\n",
    "config_with_unicode": "group: 数据库\n",
    "config_with_defaults_list": "defaults:\n  - dataset: imagenet\n\nkey: value\n",
    "configs_with_defaults_list/global_package": (
        "# @package _global_\ndefaults:\n  - foo: bar\nx: 10\n"
    ),
    "configs_with_defaults_list/group_package": (
        "# @package _group_\ndefaults:\n  - foo: bar\nx: 10\n"
    ),
    "dataset": "dataset_yaml: true\n",
    "dataset/imagenet": "name: imagenet\npath: /datasets/imagenet\n",
    "dataset/cifar10": "name: cifar10\npath: /datasets/cifar10\n",
    "optimizer/adam": "type: adam\nlr: 0.1\nbeta: 0.01\n",
    "optimizer/nesterov": "type: nesterov\nlr: 0.001\n",
    "level1/level2/nested1": "l1_l2_n1: true\n",
    "level1/level2/nested2": "l1_l2_n2: true\n",
    "package_test/none": "foo: bar\n",
    "package_test/explicit": "# @package a.b\nfoo: bar\n",
    "package_test/global": "# @package _global_\nfoo: bar\n",
    "package_test/group": "# @package _group_\nfoo: bar\n",
    "package_test/group_name": "# @package foo._group_._name_\nfoo: bar\n",
    "package_test/name": "# @package _name_\nfoo: bar\n",
    "primary_config": "primary: true\n",
    "primary_config_with_non_global_package": "# @package foo\nprimary: true\n",
}


@pytest.fixture(scope="session", params=["as plain YAML", "as templates"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    is_template = request.param == "as templates"
    return write_tree(tmp_path_factory.mktemp("tree"), is_template)


def write_tree(root: Path, is_template: bool) -> Path:
    statement = "-- set nothing = 1\n" if is_template else ""
    for name, text in TREE.items():
        file = root / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + statement, encoding="utf-8")
    return root


class TestForgatherSource(ConfigSourceTestSuite):
    @pytest.fixture
    def type_(self) -> type[ForgatherSource]:
        return ForgatherSource

    @pytest.fixture
    def path(self, tree: Path) -> str:
        return f"forgather://{tree}"


class TestOverlayOfTemplates(ConfigSourceTestSuite):
    @pytest.fixture
    def type_(self) -> type[ForgatherSource]:
        return ForgatherOverlaySource

    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        return f"forgather-auto://{write_tree(tmp_path, is_template=True)}"


class TestProjectSource(ConfigSourceTestSuite):
    @pytest.fixture
    def type_(self) -> type[ProjectSource]:
        return ProjectSource

    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        write_tree(tmp_path / "project" / "templates", is_template=True)
        (tmp_path / "project" / "meta.yaml").touch()
        (tmp_path / "forgather_workspace").mkdir()
        return f"forgather-project://{tmp_path / 'project'}"


@pytest.mark.parametrize("name", TREE)
def test_the_overlay_leaves_plain_yaml_to_hydra(name: str, tmp_path: Path) -> None:
    overlay = ForgatherOverlaySource("x", f"forgather-auto://{write_tree(tmp_path, False)}")
    assert not overlay.is_config(name)


def test_a_plain_file_is_read_as_hydra_reads_it(tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text("a: 1\na: 2\n")
    source: Any = ForgatherSource("x", f"forgather://{tmp_path}")
    with pytest.raises(Exception, match="duplicate key a"):
        source.load_config("twice")
