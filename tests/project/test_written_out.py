"""The type that writes a training out in one document: its parents, its blocks, its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg
from forgather_hydra.config.application import graph_of
from forgather_hydra.errors import ForgatherError
from forgather_hydra.project.meta import load_meta
from forgather_hydra.project.overrides import search_path
from forgather_hydra.run.directory import run_dir

TYPE = "types/training_script/causal_lm/causal_lm.yaml"
TRAINER = """
-- block trainer_definition
    -- include 'mine.trainer_config'
-- endblock trainer_definition

#-------------------- mine.trainer_config --------------------
-- extends 'trainers/trainer.yaml'

-- block trainer_args
    == super()
    learning_rate: 3e-4
    max_steps: 5
-- endblock trainer_args

-- block datacollator
    == super()
    max_length: 64
-- endblock datacollator

-- block tokenize_args
    == super()
    max_length: 32
-- endblock tokenize_args
"""

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


@pytest.fixture
def load(tmp_path: Path):
    def load(text: str, *overrides: str) -> fg.Project:
        (tmp_path / "forgather_workspace").mkdir(exist_ok=True)
        (tmp_path / "meta.yaml").write_text("name: p\n")
        (tmp_path / "templates/configs").mkdir(parents=True, exist_ok=True)
        (tmp_path / "templates/configs/x.yaml").write_text(text)
        return fg.Project("x.yaml", str(tmp_path), overrides)

    return load


def given(project: fg.Project, name: str) -> dict[str, Any]:
    """The arguments of a call at the root, scalars that others refer to included."""
    arguments = project.config[name].kwargs
    return {key: getattr(value, "value", value) for key, value in arguments.items()}


def test_the_type_alone_is_a_training(load) -> None:
    project = load(f"-- extends '{TYPE}'\n")
    for target in ("tokenizer", "train_dataset", "eval_dataset", "model", "trainer", "main"):
        assert target in fg.targets(project.config)
    assert project("meta")["config_class"] == "type.training_script.causal_lm"
    assert project.config.data["train_dataset"] is project.config["train_dataset"]
    assert project.config.trainer.kwargs["args"] is project.config["trainer_args"]


@pytest.mark.parametrize("name", ["tokenizers/tiny_2k.yaml", "datasets/tiny_stories_abridged.yaml"])
def test_a_part_alone_renders(name: str, load) -> None:
    assert "tiny_stories:" in load(f"-- extends '{name}'\n").pp_config


def test_blocks_of_an_included_trainer(load) -> None:
    project = load(f"-- extends '{TYPE}'\n{TRAINER}")
    assert given(project, "trainer_args")["learning_rate"] == 3e-4
    assert given(project, "data_collator")["max_length"] == 64
    assert given(project, "tokenize_args")["max_length"] == 32


def test_blocks_of_the_configuration_go_before_those_of_its_trainer(load) -> None:
    (parent, trainer) = TRAINER.split("\n\n#", 1)
    own = (
        "-- block trainer_args\n    == super()\n    learning_rate: 6e-4\n-- endblock\n"
        "[datacollator]\n    max_length: 16\n[tokenize_args]\n    max_length: 8\n"
        "[project_meta_config]\n    == super()\n    config_name: Other\n"
    )
    project = load(f"-- extends '{TYPE}'\n{parent}\n\n{own}\n#{trainer}")
    assert given(project, "trainer_args")["learning_rate"] == 6e-4
    assert given(project, "trainer_args")["max_steps"] == 5
    assert given(project, "data_collator")["max_length"] == 16
    assert given(project, "tokenize_args")["max_length"] == 8
    assert project("meta")["config_name"] == "Other"


def test_the_rate_of_the_arguments_is_that_of_the_optimizer(load) -> None:
    project = load(f"-- extends '{TYPE}'\n{TRAINER}")
    assert given(project, "optimizer")["lr"] == 3e-4
    assert project("preflight")["args"] is None  # and so is no contradiction


def test_only_the_rate_of_the_optimizer(load) -> None:
    project = load(f"-- extends '{TYPE}'\n[optimizer]\n    == super()\n    lr: 1.0e-3\n")
    assert given(project, "optimizer")["lr"] == 1e-3
    contrary = load(
        f"-- extends '{TYPE}'\n[optimizer]\n    == super()\n    lr: 1.0e-3\n"
        "[trainer_args]\n    == super()\n    learning_rate: 2e-3\n"
    )
    with pytest.raises(ForgatherError, match=r"learning_rate is not used.*set optimizer.lr"):
        contrary("preflight")


def test_an_argument_of_the_trainer_as_an_override(load) -> None:
    project = load(f"-- extends '{TYPE}'\n", "trainer.args.max_steps=5", "optimizer.lr=0.1")
    assert given(project, "trainer_args")["max_steps"] == 5
    assert given(project, "optimizer")["lr"] == 0.1


def test_the_run_is_where_the_arguments_say(load, tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    cfg = OmegaConf.create(
        {"args": {"output_dir": "./here"}, "trainer": {"args": "${args}"}, "resume": None}
    )
    assert run_dir("there", _root_=cfg) == "./here"
    project = load(f"-- extends '{TYPE}'\n[config_metadata]\n    -- set ns.model_name = 'm'\n")
    assert given(project, "trainer_args")["output_dir"] == "./output_models/m"
    assert project.config.main.kwargs["model_dir"].value == "./output_models/m"


def test_a_model_that_is_not_saved(load) -> None:
    project = load(f"-- extends '{TYPE}'\n[config_metadata]\n    -- set ns.save_model = False\n")
    assert project.config.main.kwargs["model_dir"] is None


def test_a_model_that_is_there_already(load) -> None:
    project = load(f"-- extends '{TYPE}'\n", "ns.create_new_model=false")
    assert project.config.model.spec.endswith("load_pretrained")
    assert given(project, "model")["path"] == "./output_models/causal_lm"


def test_a_training_without_a_model_of_the_library_is_checked_too(load, tmp_path: Path) -> None:
    load(
        f"-- extends '{TYPE}'\n[model_definition]\n"
        "    -- include 'tokenizers/tiny_2k.yaml'\n"
        "model: !partial:transformers:LlamaForCausalLM\n"
        "    config: !call:transformers:LlamaConfig {vocab_size: 9}\n"
    )
    graph = graph_of([search_path(load_meta(str(tmp_path))), "+project=x"])
    assert list(graph.preflight) == ["args", "optimized_metric"]
