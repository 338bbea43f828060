"""Blocks of an experiment that the parts have which it chooses: these take them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fences import fence_with
from omegaconf import OmegaConf

from forgather_hydra.config.application import composed
from forgather_hydra.config.check import check_job
from forgather_hydra.config.composition import Composed
from forgather_hydra.errors import ForgatherError, ForgatherWarning
from forgather_hydra.template.handed import Handover
from forgather_hydra.template.render import Renderer

POST_NORM = (
    "[layer_factory]" + fence_with("readme.md", "[layer_factory]").partition("[layer_factory]")[2]
)
WALSH = fence_with("motivation.md", "-- block positional_encoder_factory").partition("\n")[2]
STORIES = "-- extends 'experiment/stories.yaml'\n"

Compose = Callable[..., Composed]


@pytest.fixture
def with_blocks(tmp_path: Path) -> Compose:
    """The composed configuration of an experiment with the given text, checked."""

    def run(text: str, *overrides: str, **files: str) -> Composed:
        experiment = tmp_path / "experiment"
        experiment.mkdir(exist_ok=True)
        (experiment / "mine.yaml").write_text(text)
        for name, content in files.items():
            (experiment / f"{name}.yaml").write_text(content)
        with composed(["+experiment=mine", *overrides], str(tmp_path)) as job:
            check_job(job)
            return job

    return run


def values(job: Composed, path: str) -> Any:
    found = OmegaConf.select(job.cfg, path)
    return OmegaConf.to_container(found, resolve=False) if OmegaConf.is_config(found) else found


def test_the_norm_behind_the_layers(with_blocks: Compose) -> None:
    job = with_blocks(f"{STORIES}{POST_NORM}")
    assert values(job, "layer_factory._target_") == ".post_ln_layer:PostLNLayer"
    assert values(job, "layer_stack.layer_factory._target_") == ".post_ln_layer:PostLNLayer"
    origin = job.record.positions["layer_factory"][-1].origin
    assert origin is not None
    assert (Path(str(origin.file)).name, origin.line) == ("mine.yaml", 4)


def test_positions_of_the_motivation(with_blocks: Compose) -> None:
    job = with_blocks(f"{STORIES}{WALSH}", "model=gpt2")
    assert values(job, "positional_encoder_factory._target_") == ".walsh_pe:WalshPE"


def test_super_prints_what_the_part_says(with_blocks: Compose) -> None:
    text = "[feedforward_factory]\n    == super()\n    activation_factory: !partial:torch.nn:GELU\n"
    job = with_blocks(f"{STORIES}{text}")
    assert values(job, "feedforward_factory.activation_factory._target_") == "torch.nn.GELU"
    assert "d_feedforward" in job.cfg.feedforward_factory


def test_a_part_of_another_group(with_blocks: Compose) -> None:
    text = "[trainer_class]\n!singleton:forgather_hydra.train:AccelTrainer\n"
    assert values(with_blocks(f"{STORIES}{text}"), "trainer._target_").endswith("AccelTrainer")


def test_the_nearest_child_wins_and_reaches_its_parent_by_super(with_blocks: Compose) -> None:
    parent = f"{STORIES}[layer_norm_factory]\n    == super()\n    eps: 0.5\n"
    text = "-- extends 'experiment/above.yaml'\n[layer_norm_factory]\n    == super()\n"
    job = with_blocks(f"{text}    normalized_shape: 64\n", above=parent)
    assert values(job, "layer_norm_factory.eps") == 0.5
    assert values(job, "layer_norm_factory.normalized_shape") == 64


def test_variables_and_templates_of_the_experiment(with_blocks: Compose) -> None:
    text = (
        f"{STORIES}[config_metadata]\n    -- set ns.eps = 0.25\n"
        "[layer_norm_factory]\n    == super()\n    -- include 'more'\n"
        "#---- more ----\n    eps: {{ ns.eps }}\n"
    )
    assert values(with_blocks(text), "layer_norm_factory.eps") == 0.25
    assert values(with_blocks(text, "ns.eps=0.5"), "layer_norm_factory.eps") == 0.5


def test_an_edit_of_the_experiment_is_seen(with_blocks: Compose) -> None:
    text = "[layer_norm_factory]\n    == super()\n    eps: "
    assert values(with_blocks(f"{STORIES}{text}0.5\n"), "layer_norm_factory.eps") == 0.5
    assert values(with_blocks(f"{STORIES}{text}0.125\n"), "layer_norm_factory.eps") == 0.125


UNPLACED = {
    "": (r"nor has a part that is chosen", "it is a block of models/causal_lm.yaml"),
    "s": (r"no parent template has one of this name \(", "did you mean 'layer_factory'"),
}


@pytest.mark.parametrize("end", UNPLACED)
def test_what_no_part_has_is_told(end: str, with_blocks: Compose) -> None:
    message, hint = UNPLACED[end]
    text = f"{STORIES}[layer_factory{end}]\nx: 1\n"
    choice = "model=hf_llama"
    with pytest.warns(ForgatherWarning, match=re.escape(hint)) as told:
        with_blocks(text, choice)
    assert re.search(message, str(told[0].message))
    with pytest.raises(ForgatherError, match=r"mine\.yaml:2") as caught:
        with_blocks(text, choice, "forgather.strict=true")
    assert caught.value.kind == "unknown_block"


def test_what_is_wrong_in_such_a_block_is_told_at_its_line(with_blocks: Compose) -> None:
    with pytest.raises(ForgatherError, match=r"mine\.yaml:4") as caught:
        with_blocks(f"{STORIES}[layer_norm_factory]\n    == super()\n    epsi: 1\n")
    assert "did you mean 'eps'?" in str(caught.value)
    with pytest.raises(ForgatherError, match=r"mine\.yaml:3"):
        with_blocks(f"{STORIES}[layer_norm_factory]\n    == nothing\n")


def test_a_template_that_chooses_nothing_is_judged_alone(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("a: 1\n")
    (tmp_path / "other.yaml").write_text("-- block part\n-- endblock\n")
    (tmp_path / "main.yaml").write_text("-- extends 'base.yaml'\n[part]\nb: 1\n")
    with pytest.warns(ForgatherWarning, match="no parent template"):
        Renderer(tmp_path).render("main.yaml", handed=Handover())


def test_a_block_that_belongs_above_is_told(with_blocks: Compose, tmp_path: Path) -> None:
    model = tmp_path / "model/own.yaml"
    model.parent.mkdir()
    model.write_text(
        "# @package _global_\n-- extends 'models/llama.yaml'\n[trainer_args]\n    max_steps: 3\n"
    )
    with pytest.warns(ForgatherWarning, match="'trainer_args' has no effect"):
        with_blocks(STORIES, "model=own")


MISPLACED = {
    "[optimizer]\n    lr: 0.5\n": ("model_config.lr", "did you mean optimizer.lr"),
    "[model_config]\n    hidden_size: 32\n": ("data.hidden_size", "model_config.hidden_size"),
    "[data]\n    == super()\n    blok_size: 32\n": ("data.blok_size", "mean data.block_size"),
}


@pytest.mark.parametrize("text", MISPLACED)
def test_a_line_that_goes_to_another_section_is_told(text: str, with_blocks: Compose) -> None:
    key, hint = MISPLACED[text]
    with pytest.warns(ForgatherWarning, match=f"nothing reads {key} .*{hint}"):
        with_blocks(f"{STORIES}{text}")
    with pytest.raises(ForgatherError, match=r"mine\.yaml:[34]"):
        with_blocks(f"{STORIES}{text}", "forgather.strict=true")


def test_a_line_of_ones_own_that_is_read_is_as_meant(
    with_blocks: Compose, recwarn: pytest.WarningsRecorder
) -> None:
    text = (
        "[model_config]\n    == super()\n    hidden_size: 32\n    layer_dropout: 0.1\n"
        "[data]\n    == super()\n    block_size: 32\n    mine: 3\n"
    )
    with_blocks(f"{STORIES}{text}")
    assert [each for each in recwarn if each.category is ForgatherWarning] == []
