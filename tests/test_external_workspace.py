"""The guide to external workspaces, run from its own text: as it was written, and as we have it."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator

import pytest
from guides import GUIDES, Block, blocks, folder_of

import forgather_hydra as fg
from forgather_hydra.cli.forgather import main
from forgather_hydra.errors import ForgatherWarning

CONFIGS = ("baseline", "higher_lr", "larger_batch")
SHORT = (
    *("trainer.args.max_steps=5", "trainer.args.per_device_train_batch_size=2"),
    *("trainer.args.eval_strategy=no", "trainer.args.max_eval_steps=1", "main.max_new_tokens=3"),
)

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


def python_of(block: Block) -> Iterator[str]:
    """The Python in a block: all of it, or what stands behind ``python -c``."""
    if block.language == "python":
        yield block.text
    if block.language == "bash":
        yield from re.findall(r'python -c "\n(.*?)\n"', block.text, re.DOTALL)


@pytest.fixture(scope="module", params=GUIDES)
def guide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The name of a guide, its blocks, and a workspace with its files."""
    found = [*blocks(GUIDES[request.param])]
    root = tmp_path_factory.mktemp("workspace")
    for block in found:
        if block.name:
            file = root / folder_of(block) / block.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
    return request.param, found, root


@pytest.fixture(autouse=True)
def in_project(guide, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(guide[2] / "my_project")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForgatherWarning)
        yield


def said(code: str, guide: str) -> str:
    """What a snippet prints."""
    code = code.replace("from forgather import", "from forgather_hydra import")
    if guide == "original":  # a model returns what models of transformers return
        code = code.replace("model(input_ids=input_ids)", "model(input_ids=input_ids).logits")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<guide>", "exec"), {})
    return out.getvalue()


def test_every_file_is_there(guide) -> None:
    files = {str(path.relative_to(guide[2])) for path in guide[2].rglob("*.yaml")}
    assert files == {
        *(f"forgather_workspace/{name}.yaml" for name in ("base_directories", "meta_defaults")),
        *("my_project/meta.yaml", "my_project/templates/project.yaml"),
        "my_project/templates/models/custom_model.yaml",
        *(f"my_project/templates/configs/{name}.yaml" for name in CONFIGS),
    }


def test_the_configurations_differ_in_what_is_trained(guide) -> None:
    keys = ("learning_rate", "warmup_steps", "per_device_train_batch_size", "output_dir")
    found = {}
    for name in CONFIGS:
        given = fg.Project(f"{name}.yaml").config["trainer_args"].kwargs
        found[name] = [getattr(given[key], "value", given[key]) for key in keys]
    assert found == {
        "baseline": [3e-4, 100, 8, "./output_models/baseline"],
        "higher_lr": [6e-4, 200, 8, "./output_models/higher_lr"],
        "larger_batch": [5e-4, 150, 16, "./output_models/larger_batch"],
    }


def test_what_has_no_effect_is_told(guide) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fg.Project("higher_lr.yaml")
    texts = "\n".join(str(each.message) for each in told)
    is_told = [
        word in texts for word in ("'meta_config' has no effect", "'project.trainer_config'")
    ]
    if guide[0] == "ours":
        assert is_told == [False, False]
        assert fg.Project().meta.name == "My Custom Model Project"
    else:
        assert is_told[1]


def test_its_python(guide, capfd: pytest.CaptureFixture[str]) -> None:
    name, found, _ = guide
    codes = [code for block in found for code in python_of(block)]
    printed = "".join(
        said(code, name)
        for code in codes
        if "import" in code and "Wrong" not in code and "transformers" not in code
    )
    for line in (
        *("Config name: Baseline Training", "Model size: 8.2M parameters"),
        *("Positional encoder: NullPE", "Attention: CausalAlibiAttn"),
        *("Feedforward: GLUFeedforwardLayer", "Forward pass successful!"),
        *("Steps completed: 5", "All components created successfully!", "Trainer: Trainer"),
    ):
        assert line in printed


def test_its_training_leaves_what_it_says(guide) -> None:
    name, found, root = guide
    commands = "".join(block.text for block in found if block.language == "bash")
    line = re.search(r"^(?:fgcli.py|forgather) (-t baseline.yaml train)$", commands, re.MULTILINE)
    assert line
    main([*line[1].split(), *SHORT])
    run = root / "my_project/output_models/baseline"
    for entry in ("config.json", "model.safetensors", "tokenizer_config.json", "runs"):
        assert (run / entry).exists()
    assert (run / "checkpoints/checkpoint-5").is_dir()
    generating = [code for b in found for code in python_of(b) if "generate(" in code]
    assert len(generating) == (name == "ours")
    for code in generating:
        assert said(code, name).startswith("Once upon a time")
