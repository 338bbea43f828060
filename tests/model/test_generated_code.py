"""The module of each shipped model template reads as if a person had written it."""

import ast
import re
import subprocess
import sys

import pytest

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import modeling_code
from forgather_hydra.model.import_block import tidy_imports

# Those of base/ leave the parts to their children, or take the model from elsewhere.
NAMES = sorted(path.name for path in paths.template_dirs()[1].glob("models/*.yaml"))


@pytest.fixture(scope="module")
def codes(tmp_path_factory) -> dict[str, str]:
    """The code of each shipped model, by its template's file name."""
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    nodes = {
        name: environment.load(f"models/{name}").config.model.kwargs["code"].kwargs
        for name in NAMES
    }
    return {name: modeling_code(**node) for name, node in nodes.items()}


def test_it_is_formatted_and_its_imports_are_sorted(codes, tmp_path):
    for name, code in codes.items():
        (tmp_path / name.replace(".yaml", ".py")).write_text(code)
    options = ["--isolated", "--no-cache", "--line-length=100"]
    for command in (["format", "--diff"], ["check", "--select=E,F,I,UP,B,SIM,C4"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options, tmp_path],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_names_the_template_but_no_path(codes):
    assert len(codes) >= 4
    for name, code in codes.items():
        assert f"Generated from the template {name}." in ast.get_docstring(ast.parse(code))
        assert not re.search(r"/\w+/", code)


def test_parts_are_plain_variables(codes):
    for name, code in codes.items():
        (construct,) = [
            node
            for node in ast.walk(ast.parse(code))
            if isinstance(node, ast.FunctionDef) and node.name == "construct_model"
        ]
        inner = [n for n in ast.walk(construct) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
        assert inner == [construct], name


def test_imports_are_sorted_and_merged():
    code = (
        '"""Text."""\n\nfrom torch import nn\nfrom .b import b_part\nimport sys\n'
        "from torch import Tensor\nfrom .b import CONSTANT, Part as P\nimport ast\n\nx = 1\n"
    )
    assert tidy_imports(code) == (
        '"""Text."""\n\nimport ast\nimport sys\n\nfrom torch import Tensor, nn\n\n'
        "from .b import CONSTANT, Part as P, b_part\n\nx = 1\n"
    )
    commented = "import b  # because\nimport a\n"
    assert tidy_imports(commented) == commented
    assert tidy_imports("x = 1\n") == "x = 1\n"
