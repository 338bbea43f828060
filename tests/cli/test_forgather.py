"""The ``forgather`` command."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from forgather_hydra import __version__
from forgather_hydra.cli.forgather import main

BASELINE = "+experiment=baseline"
pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_explain_tells_every_line_that_set_a_value_and_which_won(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["explain", "trainer.args.max_steps", BASELINE, "trainer.args.max_steps=7"])
    head, base, experiment, override = lines(capsys)
    assert head == "trainer.args.max_steps: 7"
    assert "templatelib/base/training/causal_lm.yaml:" in base
    assert base.endswith("max_steps: 1000")
    assert "conf/experiment/baseline.yaml:" in experiment
    assert override.split(None, 2) == ["command", "line", "trainer.args.max_steps=7   <- wins"]


def test_explain_goes_through_references(capsys: pytest.CaptureFixture[str]) -> None:
    main(["explain", "trainer.optimizer_factory.lr", BASELINE, "trainer.optimizer_factory.lr=1e-3"])
    told = lines(capsys)
    assert told[0] == "trainer.optimizer_factory.lr: 0.001"
    assert told[1] == "  through trainer.optimizer_factory, which refers to optimizer"
    assert "conf/optimizer/adamw.yaml:" in told[2]
    assert "<- wins" in told[3]


def test_explain_covers_plain_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    main(["explain", "output_root", BASELINE])
    assert "conf/config.yaml:7" in lines(capsys)[1]


@pytest.mark.parametrize(
    ("path", "override", "steps"),
    [
        ("mine.v", "++vars.size=5", ["v: !var", "++vars.size=5"]),
        ("mine.v", "mine.read=7", ["v: !var"]),
        ("mine.other", "mine.v=6", ["other: ", "v: !var", "mine.v=6"]),
        ("mine.read", "deep.b.0=7", ["read: ", "b: [8]", "deep.b.0=7"]),
        ("mine.read", "mine.read=7", ["read: ", "mine.read=7"]),
        ("mine.alias", "deep.b.0=7", ["alias: "]),
        ("deep", "mine.read=7", ["deep: "]),
    ],
)
def test_explain_goes_on_to_what_a_value_is_read_from(
    path: str, override: str, steps: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra/mine.yaml").write_text(
        "deep: &deep !call:dict\n  b: [8]\nmine:\n  v: !var {name: size, default: 3}\n"
        "  other: ${mine.v}\n  read: ${deep.b.0}\n  alias: *deep\n"
    )
    main(["explain", path, "+extra@_global_=mine", override, "--config-dir", str(tmp_path)])
    told = [line for line in lines(capsys) if "mine.yaml:" in line or "command line" in line]
    assert len(told) == len(steps)
    assert all(step in line for step, line in zip(steps, told, strict=True))
    assert told[-1].endswith("<- wins")


def test_explain_of_an_unknown_key_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["explain", "optimizr.lr", BASELINE])
    assert caught.value.code == 2
    assert "optimizer.lr" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["check"], ["code"], ["targets"], ["check", "--json"], ["explain", "optimizer.lr"]]
)
def test_a_configuration_has_to_be_chosen(
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "forgather_workspace").mkdir()
    (tmp_path / "p/templates/configs").mkdir(parents=True)
    (tmp_path / "p/meta.yaml").write_text("name: P\n")
    for folder, told in {"p/templates/configs": f"-p {Path('../..')}", ".": "-p DIR"}.items():
        monkeypatch.chdir(tmp_path / folder)
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"), [(["trian"], "'train'"), (["control", "lsit"], "'list'")]
)
def test_a_misspelt_word(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert f"did you mean {told}" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert lines(capsys) == [f"forgather-hydra {__version__}"]


def test_diff_lists_paths_that_differ(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, cfg in {
        "a": {"x": {"lr": 1, "b": 2}, "same": 1},
        "b": {"x": {"lr": 3}, "same": 1, "new": 4},
    }.items():
        (tmp_path / name / ".hydra").mkdir(parents=True)
        OmegaConf.save(OmegaConf.create(cfg), tmp_path / name / ".hydra" / "config.yaml")
    from forgather_hydra.config.difference import ABSENT, difference

    found = difference(tmp_path / "a", tmp_path / "b")
    assert found == [("x.lr", 1, 3), ("x.b", 2, ABSENT), ("new", ABSENT, 4)]
    main(["diff", str(tmp_path / "a"), str(tmp_path / "a")])
    assert lines(capsys) == ["the two configurations are equal"]


def test_check_reports_all_problems_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", BASELINE])
    assert "ok" in lines(capsys)[0]
    with pytest.raises(SystemExit):
        main(
            [
                "check",
                BASELINE,
                "+optimizer.momentun=1",
                "trainer._target_=forgather_hydra.train.Trainr",
            ]
        )
    told = capsys.readouterr().err
    assert "2 problems" in told
    assert "'momentun'" in told
    assert "did you mean 'Trainer'" in told


def test_code_of_a_target_runs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["code", "--target", "optimizer", BASELINE, "optimizer.lr=0.5"])
    namespace: dict[str, object] = {}
    exec(capsys.readouterr().out, namespace)
    assert namespace["construct"]().keywords["lr"] == 0.5  # type: ignore[operator]


def test_targets_and_graph_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    main(["targets", BASELINE])
    assert {"trainer", "optimizer", "main"} <= set(lines(capsys))
    main(["graph", BASELINE])
    assert "trainer: &trainer" in capsys.readouterr().out
    main(["pp", BASELINE])
    assert "# ---- experiment/baseline.yaml ----" in lines(capsys)


def test_dataset_shows_lengths_and_samples_without_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["+experiment=stories", "data.corpus.num_stories=40", "data.block_size=32"]
    main(["dataset", "-n", "1", *words])
    told = lines(capsys)
    assert "train_dataset" in told[0]
    assert told[1].endswith("tokens")
    assert told[2].startswith("tokens in 3")
    assert "documents" in told[2]
    assert sum(line.startswith("> Once upon a time") for line in told) == 2


def test_dataset_needs_a_section_of_data(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dataset"])
    assert caught.value.code == 2
    assert "+experiment=baseline" in capsys.readouterr().err
