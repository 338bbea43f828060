"""The projects in examples/: each is listed, and trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from guides import GUIDES, blocks, folder_of

from forgather_hydra.cli.forgather import main
from forgather_hydra.project.listing import projects_below

EXAMPLES = Path(__file__).parent.parent / "examples"
FEW = (
    *("data.corpus.num_stories=300", "trainer.args.max_steps=2", "trainer.args.logging_steps=1"),
    *("trainer.args.per_device_train_batch_size=4", "trainer.args.eval_strategy=no"),
    *("trainer.args.gradient_accumulation_steps=1", "main.max_new_tokens=2"),
    "trainer.args.max_eval_steps=1",
)
TRAINED = {
    "template_project": ("baseline",),
    "tiny_experiments/optimizers": ("adamw", "galore"),
    "tiny_experiments/gradient_accumulation": ("two",),
    "tiny_experiments/checkpointing": ("whole",),
    "tiny_experiments/peak_memory": ("both",),
    "tiny_experiments/compare_trainers": ("single", "accel"),
    "tiny_experiments/pipeline": ("1f1b",),
    "models/single_head": ("train",),
    "models/causal_lm": ("train",),
    "models/llama": ("train",),
    "models/deepone": ("train",),
}
ALONE = {
    "single_head": "single_head",
    "causal_lm": "dynamic_causal_transformer",
    "llama": "llama_4m",
    "deepone": "deepone",
}
OTHERS = ("tokenizers", "datasets", "standalone/external_workspace_example/my_project")

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    found = [str(Path(p).relative_to(EXAMPLES)) for p in projects_below(str(EXAMPLES))]
    assert sorted(found) == sorted([*TRAINED, *OTHERS])
    main(["ls", "-r", str(EXAMPLES)])
    told = capsys.readouterr().out
    assert "error" not in told
    assert "Llama 4M" in told


@pytest.mark.parametrize(
    ("project", "config"), [(p, c) for p, configs in TRAINED.items() for c in configs]
)
def test_it_trains(project: str, config: str) -> None:
    main(["-p", str(EXAMPLES / project), "-t", config, "train", *FEW, "hydra.run.dir=run"])
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["final"]
    assert lines[-1]["step"] == 2
    assert Path("run/model/config.json").is_file()


def test_a_stopped_run_goes_on_to_the_same_end() -> None:
    project = ["-p", str(EXAMPLES / "tiny_experiments/checkpointing")]
    words = [*FEW, "trainer.args.max_steps=6", "trainer.args.save_steps=2"]
    ends = ["callbacks.stop.step=3"]
    main([*project, "-t", "whole", "train", *words, "hydra.run.dir=whole"])
    with pytest.raises(SystemExit):
        main([*project, "-t", "stopped", "train", *words, *ends, "hydra.run.dir=stopped"])
    main([*project, "train", "resume=stopped"])
    model = "model/model.safetensors"
    assert Path("whole", model).read_bytes() == Path("stopped", model).read_bytes()


@pytest.mark.parametrize(("project", "config"), ALONE.items())
def test_a_configuration_that_is_a_model_alone_is_constructed(project: str, config: str) -> None:
    small = ["data=stories", "data.corpus.num_stories=300"]
    words = ["-p", str(EXAMPLES / "models" / project), "-t", config, "model"]
    options = ["--hidden-size", "32", "--num-hidden-layers", "1"]
    main([*words, "construct", *options, *small])
    (made,) = Path("output_models").iterdir()
    assert json.loads((made / "config.json").read_text())["hidden_size"] == 32
    if project == "llama":
        assert made.name == "llama_4m"
        main(
            [
                *words,
                "--model-name",
                "other",
                "--sliding-window",
                "8",
                "construct",
                *options,
                *small,
            ]
        )
        assert (
            json.loads(Path("output_models/other/config.json").read_text())["sliding_window"] == 8
        )


def test_what_is_printed_is_opened_in_an_editor(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "grep -c hidden_size")
    main(["-p", str(EXAMPLES / "models/deepone"), "-t", "deepone", "model", "-e", "construct"])
    assert int(capfd.readouterr().out.split()[-1]) > 0
    monkeypatch.setenv("VISUAL", "no_such_editor")
    with pytest.raises(SystemExit) as caught:
        main(["-p", str(EXAMPLES / "models/deepone"), "-t", "deepone", "model", "-e", "construct"])
    assert caught.value.code == 2
    assert "EDITOR" in capfd.readouterr().err


def test_a_model_learns_from_the_data_and_with_the_tokenizer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["-p", str(EXAMPLES / "tokenizers"), "-t", "grammar_512", "construct"])
    assert "vocab_size=512" in capsys.readouterr().out
    words = ["-p", str(EXAMPLES / "models/deepone"), "-t", "train", "model", "test", "--json"]
    sizes = [
        "--hidden-size=32",
        "--num-hidden-layers=1",
        "--steps=2",
        "data.corpus.num_stories=300",
    ]
    data = ["--dataset-project", str(EXAMPLES / "datasets"), "--dataset-config", "grammar.yaml"]
    main([*words, *sizes, *data])
    assert json.loads(capsys.readouterr().out)


def test_the_external_workspace_is_that_of_the_guide() -> None:
    place = EXAMPLES / "standalone/external_workspace_example"
    listed = {f"{folder_of(b)}/{b.name}": b.text for b in blocks(GUIDES["ours"]) if b.name}
    for name, text in listed.items():
        if not name.endswith(".ipynb"):
            assert (place / name).read_text() == text, name
