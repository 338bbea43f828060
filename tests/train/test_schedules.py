"""Learning-rate schedules against Hugging Face's and their definitions."""

from __future__ import annotations

import re
from functools import partial

import pytest
import torch
import transformers
from toys import losses

from forgather_hydra.train import cosine, infinite, linear, wsd
from forgather_hydra.train.arguments.checks import OWN_SCHEDULES
from forgather_hydra.train.optim import schedules


def rates(factory, steps: int = 40) -> list[float]:
    """Learning rates of so many steps, from 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = factory(optimizer)
    found = []
    for _ in range(steps):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


def test_schedules_of_hugging_face_s_names_are_those_of_hugging_face() -> None:
    for name in OWN_SCHEDULES:
        ours = partial(getattr(schedules, name), num_training_steps=40, warmup_steps=0.1)
        theirs = partial(
            transformers.get_scheduler, name, num_training_steps=40, num_warmup_steps=4
        )
        assert rates(ours) == pytest.approx(rates(theirs), abs=1e-12)


def test_a_floor_is_reached_at_the_end() -> None:
    for schedule in (linear, cosine, wsd):
        found = rates(partial(schedule, num_training_steps=39, min_ratio=0.25))
        assert (max(found), min(found)) == (1.0, found[-1])
        assert found[-1] == pytest.approx(0.25)


def test_wsd_is_stable_between_warm_up_and_decay() -> None:
    found = rates(partial(wsd, num_training_steps=40, warmup_steps=4, decay_steps=0.4))
    assert found[:5] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    assert set(found[4:25]) == {1.0}
    assert found[28] == pytest.approx(1 - (4 / 16) ** 0.5)
    with pytest.raises(ValueError, match=r"decay_steps \(35\) exceed the 40 steps"):
        wsd(torch.optim.SGD([torch.zeros(1)]), 40, warmup_steps=10, decay_steps=35)


def test_infinite_cools_down_holds_and_anneals_without_a_jump() -> None:
    held = rates(partial(infinite, warmup_steps=4, cooldown_steps=8, constant_ratio=0.5), 60)
    assert held[4] == 1.0
    assert held[8] == pytest.approx(0.75)
    assert set(held[12:]) == {0.5}
    annealed = rates(
        partial(
            infinite, warmup_steps=4, cooldown_steps=8, constant_ratio=0.5, anneal_from=20, tau=10,
            min_ratio=0.1,
        ), 60,
    )  # fmt: skip
    assert annealed[:21] == held[:21]
    assert annealed[30] == pytest.approx(0.1 + 0.4 / 2.718281828)
    assert set(rates(partial(infinite, warmup_steps=4))[4:]) == {1.0}


def test_a_run_is_annealed_from_a_checkpoint_of_the_constant_part(make_trainer) -> None:
    options = {"save_strategy": "steps", "save_steps": 4, "max_steps": 4, "learning_rate": 1.0}
    make_trainer(lr_scheduler_factory=infinite, **options).train()
    trainer = make_trainer(
        lr_scheduler_factory=partial(infinite, anneal_from=4, tau=2), **options | {"max_steps": 8}
    )
    trainer.train(resume_from_checkpoint=True)
    found = [record["learning_rate"] for record in trainer.state.log_history]
    assert found == pytest.approx([1.0] * 5 + [0.6065, 0.3679, 0.2231], abs=1e-4)
    assert len(losses(trainer)) == 8


def test_warm_up_and_decay_may_fill_the_run() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)])
    wsd(optimizer, 40, warmup_steps=10, decay_steps=30)
    with pytest.raises(ValueError, match=r"\(10\) and decay_steps \(31\) exceed the 40 steps"):
        wsd(optimizer, 40, warmup_steps=10, decay_steps=31)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"warmup_steps": 8}, "warmup_steps is 8 and the run has 4 steps: .* ends at 0.38 of its"),
        ({"lr_scheduler_factory": partial(linear, warmup_steps=5)}, "warmup_steps is 5 and"),
        ({"warmup_steps": 4}, None),
        ({"warmup_steps": 8, "lr_scheduler_type": "constant"}, None),
    ],
)
def test_a_warm_up_longer_than_the_run_is_told(make_trainer, caplog, options, told) -> None:
    make_trainer(max_steps=4, **options).train()
    found = [text for text in caplog.messages if "warmup_steps" in text]
    assert len(found) == (told is not None)
    assert told is None or re.match(told, found[0])
