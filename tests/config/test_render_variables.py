"""``ns.x=...`` re-renders templates, wherever the value comes from and whoever composes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.initialize import get_gh_backup, restore_gh_from_backup
from omegaconf import OmegaConf

from forgather_hydra.config import documents
from forgather_hydra.errors import ForgatherError

BASE = """\
# @package _global_
-- set ns = namespace()
-- set ns.heads = 2
-- set ns.width = ns.heads * 64
-- set ns.moe = false
-- set ns.layers = [1, 2]
model:
    heads: {{ ns.heads }}
    width: {{ ns.width }}
    layers: {{ ns.layers }}
-- if ns.moe
    moe: {experts: 8}
-- endif
main: !partial:builtins:dict
    model: ${model}
"""

FILES = {
    "config.yaml": "seed: 3\n",
    "experiment/base.yaml": BASE,
    "experiment/other.yaml": "# @package _global_\n-- extends 'experiment/base.yaml'\n",
    "experiment/plain.yaml": (
        "# @package _global_\nmodel: {heads: 1, width: 64, moe: {experts: 1}}\n"
    ),
    "size/large.yaml": "# @package _global_\nns: {heads: 16}\n",
    "size/medium.yaml": "# @package _global_\nns: {heads: 8}\n",
    "size/experts.yaml": "# @package _global_\nns: {moe: true}\n",
    "size/seeded.yaml": "# @package _global_\nns: {heads: '${seed}'}\n",
    "sweep/heads.yaml": (
        "# @package _global_\n"
        "hydra: {mode: MULTIRUN, sweep: {dir: out/params}, sweeper: {params: {ns.heads: '6,7'}}}\n"
    ),
}

SINGLE = {
    "+experiment=base": (2, 128),
    "+experiment=base ns.heads=4": (4, 256),
    "+experiment=base ns.heads=4 ns.width=10": (4, 10),
    "+experiment=base ns.heads=${seed}": (3, 192),
    "+experiment=base ns.heads=${seed} seed=5": (5, 320),
    "+experiment=base ns={heads:9}": (9, 576),
    "+experiment=base +size=large": (16, 1024),
    "+experiment=base +size=large ns.heads=4": (4, 256),
    "+experiment=base +size=seeded seed=6": (6, 384),
    "+experiment=other ns.heads=4": (4, 256),
}
INFORMATION = ["--cfg job", "--info config"]
SWEEPS = {
    "-m hydra.sweep.dir=out/a +experiment=base ns.heads=2,4,8": [2, 4, 8],
    "-m hydra.sweep.dir=out/b +experiment=base +size=large,medium": [16, 8],
    "-m hydra.sweep.dir=out/c +experiment=base,other ns.heads=5": [5, 5],
    "-m hydra.sweep.dir=out/d +experiment=base,plain model.heads=11": [11, 11],
    "-m hydra.sweep.dir=out/e +experiment=glob(ba*) model.heads=11": [11],
    "+experiment=base +sweep=heads": [6, 7],
}
OTHERS = {
    "layers": "+experiment=base ns.layers=[5]",
    "late key": "+experiment=base +size=experts model.moe.experts=4",
    "typo": "+experiment=base ns.hads=4",
    "unknown": "+experiment=base ns.heads=${nowhere}",
    "runtime": "+experiment=base ns.heads=${hydra:runtime.output_dir}",
    "swept typo": "-m +experiment=base,plain model.hads=11",
}


PICKLED_LOADER = """
import os, pickle
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

with initialize_config_dir(os.path.abspath("conf"), version_base=None):
    master = compose("config", return_hydra_config=True)
    pickled = pickle.dumps(GlobalHydra.instance().config_loader())
loader = pickle.loads(pickled)
print(loader.load_sweep_config(master, ["+experiment=base", "ns.heads=4"]).model.width)
"""


@pytest.fixture(scope="module")
def folder(application: Any) -> Path:
    path: Path = application(FILES)
    return path


@pytest.fixture(scope="module")
def outcomes(folder: Path, run_commands: Any) -> dict[str, Any]:
    commands = [f"hydra.run.dir=out/run {words}" for words in SINGLE]
    commands += [f"{option} +experiment=base ns.heads=4" for option in INFORMATION]
    commands += [*SWEEPS, *OTHERS.values()]
    found: dict[str, Any] = run_commands(folder, [words.split() for words in commands]).of
    return found


@pytest.mark.parametrize("words", SINGLE)
def test_a_run(words: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[f"hydra.run.dir=out/run {words}"]
    heads, width = SINGLE[words]
    assert outcome.error == ""
    assert f"model:\n  heads: {heads}\n  width: {width}\n" in outcome.out
    assert f"ns:\n  heads: {heads}\n  width: {width}\n" in outcome.out


@pytest.mark.parametrize("option", INFORMATION)
def test_information(option: str, outcomes: dict[str, Any]) -> None:
    assert "heads: 4\n  width: 256" in outcomes[f"{option} +experiment=base ns.heads=4"].out


@pytest.mark.parametrize("words", SWEEPS)
def test_a_sweep(words: str, outcomes: dict[str, Any], folder: Path) -> None:
    assert outcomes[words].error == ""
    swept = next((w.partition("=")[2] for w in words.split() if "sweep.dir" in w), "out/params")
    jobs = sorted((folder / swept).glob("*/.hydra/config.yaml"))
    assert [OmegaConf.load(job).model.heads for job in jobs] == SWEEPS[words]


def test_a_list_is_a_variable_too(outcomes: dict[str, Any]) -> None:
    assert outcomes[OTHERS["layers"]].out.count("layers:\n  - 5\n") == 2


def test_a_key_that_exists_only_for_the_final_variables(outcomes: dict[str, Any]) -> None:
    outcome = outcomes[OTHERS["late key"]]
    assert "moe:\n    experts: 4\n" in outcome.out
    assert "moe: true" in outcome.out


def test_an_unknown_variable_is_an_error(outcomes: dict[str, Any]) -> None:
    assert "Could not override 'ns.hads'" in outcomes[OTHERS["typo"]].error


@pytest.mark.parametrize("case", ["unknown", "runtime"])
def test_a_value_that_comes_too_late_is_an_error(case: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[OTHERS[case]]
    assert outcome.code == 1
    assert "ns.heads cannot be known when templates are rendered" in outcome.error


def test_jobs_of_a_sweep_still_validate_their_values(outcomes: dict[str, Any]) -> None:
    assert "Could not override 'model.hads'" in outcomes[OTHERS["swept typo"]].error


def test_the_sweep_keeps_the_overrides_of_its_jobs(outcomes: dict[str, Any], folder: Path) -> None:
    multirun = OmegaConf.load(folder / "out/d/multirun.yaml")
    assert multirun.hydra.overrides.task == ["+experiment=base,plain", "model.heads=11"]


def test_a_pickled_loader_still_renders(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PICKLED_LOADER], cwd=folder, capture_output=True, text=True
    )
    assert done.stdout == "256\n", done.stderr


@pytest.fixture
def nothing_initialized() -> Iterator[None]:
    GlobalHydra.instance().clear()
    yield
    GlobalHydra.instance().clear()


@pytest.mark.usefixtures("nothing_initialized")
class TestCompose:
    def test_in_nested_contexts(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "config.yaml").write_text("a: 1\n")
        with initialize_config_dir(str(folder / "conf"), version_base=None):
            backup = get_gh_backup()
            GlobalHydra.instance().clear()
            with initialize_config_dir(str(tmp_path), version_base=None):
                assert compose("config") == {"a": 1}
            restore_gh_from_backup(backup)
            cfg = compose("config", ["+experiment=base", "ns.heads=4"])
            again = compose("config", ["+experiment=base"])
        assert (cfg.model.width, again.model.width) == (256, 128)

    def test_a_changed_template_is_read_again(self, tmp_path: Path) -> None:
        config = tmp_path / "config.yaml"
        config.write_text("-- set ns = namespace(x=1)\na: {{ ns.x }}\n")
        with initialize_config_dir(str(tmp_path), version_base=None):
            assert compose("config").a == 1
            config.write_text("-- set ns = namespace(x=12)\na: {{ ns.x }}\n")
            assert compose("config").a == 12

    def test_variables_that_never_settle(self, tmp_path: Path) -> None:
        (tmp_path / "config.yaml").write_text(
            "-- set ns = namespace(x=1)\nb: {{ ns.x }}\n-- set ns.y = ns.x + 1\n"
        )
        with (
            initialize_config_dir(str(tmp_path), version_base=None),
            pytest.raises(ForgatherError, match=r"do not settle: ns\.x"),
        ):
            compose("config", ["ns.x='${ns.y}'"])

    def test_two_templates_may_set_one_variable(self, tmp_path: Path) -> None:
        (tmp_path / "part").mkdir()
        (tmp_path / "part" / "p.yaml").write_text(
            "# @package _global_\n-- set ns = namespace(name='p')\npart: {{ ns.name }}\n"
        )
        (tmp_path / "config.yaml").write_text(
            "-- set ns = namespace(name='whole')\n"
            "defaults: [{part: p}, _self_]\nwhole: {{ ns.name }}\n"
        )
        with initialize_config_dir(str(tmp_path), version_base=None):
            cfg = compose("config")
            pinned = compose("config", ["ns.name=x"])
        assert (cfg.part, cfg.whole, pinned.part, pinned.whole) == ("p", "whole", "x", "x")

    def test_a_validated_job_is_composed_once(self, folder: Path) -> None:
        with initialize_config_dir(str(folder / "conf"), version_base=None):
            master = compose("config", ["hydra.mode=RUN"], return_hydra_config=True)
            loader = GlobalHydra.instance().config_loader()
            validated = loader.composed_job(master, ["+experiment=base", "ns.heads=4"])
            compose("config")
            launched = loader.composed_job(master, ["+experiment=base", "ns.heads=4"])
        assert launched.cfg == validated.cfg
        assert launched.cfg is not validated.cfg
        assert launched.record is validated.record


def test_points_of_a_long_sweep_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    monkeypatch.setattr(documents, "MAX_DOCUMENTS", 3)
    monkeypatch.setattr(documents, "_documents", {})
    renderer = documents.library_renderer((str(tmp_path),))
    for heads in (*range(8), 7, 0):
        made = documents.load_document(renderer, "base.yaml", {"heads": heads})
        assert f"width: {heads * 64}" in made.rendered.text
        assert len(documents._documents) <= 3
