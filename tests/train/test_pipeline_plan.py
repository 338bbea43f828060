"""How layers are divided over stages, and what is refused before anything runs."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pipeline_run import llama, make
from torch.distributed.pipelining.schedules import get_schedule_class
from transformers import LlamaConfig, LlamaForCausalLM

from forgather_hydra import paths
from forgather_hydra.train import PipelineTrainer, TrainingArguments
from forgather_hydra.train.pipeline.plan import (
    PipelineOptions,
    PipelinePlan,
    balanced_layers,
    make_plan,
)
from forgather_hydra.train.pipeline.schedules import SCHEDULES, schedule_name


def plan(processes: int, layers: int = 8, **options: Any) -> PipelinePlan:
    args = TrainingArguments(use_cpu=True)
    options = {"microbatches": 8, **options}
    return make_plan(
        PipelineOptions(**options), args, world_size=processes, layers=layers, evaluates=True
    )


def layers_of(plan: PipelinePlan) -> list[list[list[int]]]:
    """Layers of each stage of each process."""
    return [
        [list(stage.layers) for stage in plan.stages_of(position)]
        for position in range(plan.processes)
    ]


def test_stages_form_a_loop_or_a_v() -> None:
    options = {"stage_layers": [1, 2, 3, 2]}
    loop = layers_of(plan(2, schedule="interleaved_1f1b", **options))
    assert loop == [[[0], [3, 4, 5]], [[1, 2], [6, 7]]]
    vee = layers_of(plan(2, schedule="zbv", **options))
    assert vee == [[[0], [6, 7]], [[1, 2], [3, 4, 5]]]
    assert layers_of(plan(4, stage_layers=[1, 2, 3, 2])) == [[[0]], [[1, 2]], [[3, 4, 5]], [[6, 7]]]


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
@pytest.mark.parametrize("costs", [(1, 1), (0, 0), (0.5, 3), (5, 1)])
def test_no_other_division_has_a_cheaper_dearest_stage(stages: int, costs: tuple) -> None:
    def dearest(sizes: tuple[int, ...]) -> float:
        total = [float(size) for size in sizes]
        total[0] += costs[0]
        total[-1] += costs[1]
        return max(total)

    sizes = balanced_layers(7, stages, *costs)
    others = (s for s in product(range(1, 8), repeat=stages) if sum(s) == 7)
    assert sum(sizes) == 7
    assert dearest(tuple(sizes)) == min(map(dearest, others))


def test_encoder_and_decoder_count_as_a_layer_each() -> None:
    assert balanced_layers(10, 4) == [2, 3, 3, 2]
    assert balanced_layers(8, 4) == [2, 3, 2, 1]  # the remainder goes to the first


@pytest.mark.parametrize(
    "name", ["interleaved_zero_bubble", "InterleavedZeroBubble", "ScheduleInterleavedZeroBubble"]
)
def test_schedules_have_torchs_names_too(name: str) -> None:
    assert schedule_name(name) == "InterleavedZeroBubble"


def test_everything_wrong_is_said_in_one_message() -> None:
    with pytest.raises(ValueError, match="cannot work") as caught:
        plan(
            4,
            layers=3,
            schedule="zbv",
            stages_per_process=3,
            microbatches=5,
            replicas=3,
            stage_layers=[3, 0],
        )
    for part in (
        "stages_per_process is 3, and zbv has 2",
        "replicas is 3, which does not divide the 4 processes",
        "per_device_train_batch_size is 16: make it a multiple of the 5 microbatches",
        "per_device_eval_batch_size is 16",
        "leaves a stage without a layer",
    ):
        assert part in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "1f1b2"}, "use one of gpipe, 1f1b"),
        ({"schedule": "zbv"}, "8 stages need as many layers, and the model has 7: start fewer"),
        ({"microbatches": 2}, "1f1b needs 4 or more"),
        ({"schedule": "dualpipev", "microbatches": 4}, "dualpipev needs 8 or more"),
        ({"schedule": "interleaved_1f1b", "microbatches": 0}, "give 1 or more"),
        ({"stage_layers": [2, 2, 2, 2]}, "adds up to 8, and the model has 7 layers"),
        ({"stage_layers": [4, 3]}, "2 numbers for 4 stages"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(4, layers=7, **options)


@pytest.fixture
def launched(monkeypatch) -> None:
    """As one of two processes, of which there is no other."""
    for name, value in {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_device_eval_batch_size": 6}, "per_device_eval_batch_size is 6"),
        ({"device": "meta", "use_cpu": False}, "device is 'meta', but every process has its own"),
        (
            {"torch_compile": True, "pipeline": {"schedule": "zbv"}},
            "torch_compile does not work with ZBV",
        ),
        ({"model": {"num_hidden_layers": 1}}, "2 stages need as many layers"),
        (
            {
                "gradient_checkpointing": True,
                "gradient_checkpointing_kwargs": {"use_reentrant": True},
            },
            "use_reentrant, which stages cannot have",
        ),
        (
            {"fuse_optim_with_backward": True, "max_grad_norm": None},
            "fuse_optim_with_backward needs",
        ),
    ],
)
def test_the_trainer_refuses_before_it_meets_others(
    launched, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(PipelineTrainer, tmp_path, **options).train()


def test_models_that_are_not_of_parts_are_refused(launched, tmp_path: Path) -> None:
    trainer = make(PipelineTrainer, tmp_path)
    config = LlamaConfig(num_hidden_layers=2, hidden_size=16, num_attention_heads=2, vocab_size=13)
    trainer.model_init = lambda: LlamaForCausalLM(config)
    with pytest.raises(ValueError, match="LlamaForCausalLM cannot be cut into pipeline stages"):
        trainer.train()


def test_a_launcher_is_needed(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(RuntimeError, match="torchrun --nproc-per-node"):
        make(PipelineTrainer, tmp_path).train()


def test_a_made_model_is_refused(tmp_path: Path) -> None:
    """Only its structure is made in most processes."""
    with pytest.raises(TypeError, match="model_init"):
        PipelineTrainer(TrainingArguments(use_cpu=True), model=llama(tmp_path))


def test_one_table_of_schedules() -> None:
    """What options, help and pages list is what the table has, and torch knows each."""
    words = [schedule.word for schedule in SCHEDULES.values()]
    option = (paths.conf_dir() / "trainer/pipeline.yaml").read_text()
    comment = option.partition("schedule: ")[2].splitlines()[0].replace("  #", ",")
    assert sorted(re.split(r", +", comment)) == sorted(words)
    page = (paths.conf_dir().parent / "docs/how-to/pipeline.md").read_text()
    assert [word for word in words if f"`{word}`" not in page] == []
    for name, schedule in SCHEDULES.items():
        assert get_schedule_class(name)
        assert schedule_name(schedule.word) == schedule_name(name) == name
        assert schedule.word in str(PipelineTrainer.__doc__)
