"""A package of one's own: made, installed beside the library, and run."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from forgather_hydra.cli.forgather import main
from forgather_hydra.errors import ForgatherError
from forgather_hydra.project.package import create_package, package_name

FOREIGN = """
from hydra._internal.utils import create_config_search_path
print([element.path for element in create_config_search_path("/somewhere").get_path()])
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "my-lab"
    main(["new", str(folder)])
    return folder


@pytest.fixture(scope="module")
def python(lab: Path) -> Path:
    """The interpreter of an environment in which the package is installed, beside what is here."""
    environment = lab.parent / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    interpreter = environment / "bin/python"
    ask = "import site; print(site.getsitepackages()[0])"
    packages = subprocess.check_output([interpreter, "-c", ask], text=True).strip()
    Path(packages, "outer.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in sys.path if path)
    )
    words = ["install", "-q", "--no-deps", "--no-build-isolation", "-e", str(lab)]
    subprocess.run([sys.executable, "-m", "pip", "--python", interpreter, *words], check=True)
    return interpreter


def run(python: Path, *words: str, cwd: Path) -> str:
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment = clean | {"XDG_CACHE_HOME": str(cwd / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, *words], cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_its_experiment_stands_beside_those_of_the_library(python, tmp_path) -> None:
    listed = run(python, "-m", "forgather_hydra", "--help", cwd=tmp_path)
    (line,) = (line for line in listed.splitlines() if line.startswith("experiment:"))
    assert {"my_lab", "baseline"} <= {*line.removeprefix("experiment:").replace(" ", "").split(",")}
    assert "my_lab" not in run(python, "-c", FOREIGN, cwd=tmp_path)


def test_its_own_test_passes(python, lab) -> None:
    assert "1 passed" in run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=lab)


def test_nothing_is_overwritten(lab) -> None:
    before = {path: path.read_bytes() for path in lab.rglob("*.toml")}
    with pytest.raises(ForgatherError, match=r"pyproject\.toml.* exist already"):
        create_package(lab)
    assert {path: path.read_bytes() for path in lab.rglob("*.toml")} == before


@pytest.mark.parametrize("folder", ["class", "2", "!", "torch", "json"])
def test_a_name_that_cannot_be_is_told(folder) -> None:
    with pytest.raises(ForgatherError, match=r"no package can be named|has a module"):
        package_name(folder)


def test_a_folder_names_the_package() -> None:
    assert package_name("My-Lab 2") == "my_lab_2"
