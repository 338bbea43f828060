"""AdamW for little work a step: torch's, bit for bit."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toys import ToyModel

from forgather_hydra.train import MultiOptimizer
from forgather_hydra.train.optim.adamw import AdamW


def groups(model: ToyModel) -> list[dict]:
    return [
        {"params": [("embedding", model.embedding.weight)], "weight_decay": 0.3, "lr": 0.02},
        {"params": [("mix", model.mix.weight), ("bias", model.mix.bias)], "betas": (0.8, 0.9)},
    ]


def pair() -> tuple[ToyModel, AdamW, ToyModel, torch.optim.AdamW]:
    ours, theirs = ToyModel(), ToyModel()
    theirs.load_state_dict(ours.state_dict())
    return ours, AdamW(groups(ours)), theirs, torch.optim.AdamW(groups(theirs), fused=True)


def take(model: ToyModel, optimizer: torch.optim.Optimizer, steps: int) -> None:
    ids = torch.arange(12).view(2, 6)
    for _ in range(steps):
        model(ids, ids)[0].backward()
        optimizer.step()
        optimizer.zero_grad()


def assert_equal(ours: ToyModel, theirs: ToyModel) -> None:
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))


def test_it_is_torch_s_to_the_bit() -> None:
    ours, mine, theirs, other = pair()
    take(ours, mine, 5)
    take(theirs, other, 5)
    assert_equal(ours, theirs)
    assert mine.state_dict().keys() == other.state_dict().keys()
    for group in (*mine.param_groups, *other.param_groups):
        group["lr"] *= 0.5
    take(ours, mine, 2)
    take(theirs, other, 2)
    assert_equal(ours, theirs)


@pytest.mark.parametrize("wrap", [lambda o: o, lambda o: MultiOptimizer([o])])
def test_a_state_loaded_between_steps_is_gone_on_from(wrap) -> None:
    ours, mine, theirs, other = pair()
    mine, other = wrap(mine), wrap(other)
    take(ours, mine, 3)
    take(theirs, other, 3)
    saved, weights = copy.deepcopy(other.state_dict()), copy.deepcopy(ours.state_dict())
    take(ours, mine, 4)
    take(theirs, other, 2)
    ours.load_state_dict(weights)
    mine.load_state_dict(saved)
    take(ours, mine, 2)
    assert_equal(ours, theirs)


def test_a_parameter_without_gradient_is_left_out() -> None:
    ours, mine, theirs, other = pair()
    for model, optimizer in ((ours, mine), (theirs, other)):
        take(model, optimizer, 2)
        model.mix.weight.requires_grad_(False)
        take(model, optimizer, 2)
        model.mix.weight.requires_grad_(True)
        take(model, optimizer, 2)
    assert_equal(ours, theirs)


def test_hooks_are_called() -> None:
    ours, mine, theirs, other = pair()
    take(ours, mine, 2)
    calls = []
    mine.register_step_post_hook(lambda *_: calls.append("after"))
    take(ours, mine, 2)
    take(theirs, other, 4)
    assert calls == ["after", "after"]
    assert_equal(ours, theirs)


def test_training_imports_neither_compiler_nor_models_of_transformers(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from toys import Rows, ToyModel
from forgather_hydra.train import Trainer, TrainingArguments
args = TrainingArguments(output_dir={str(tmp_path)!r}, use_cpu=True, max_steps=2, max_grad_norm=1.0)
args.save_strategy = "no"
Trainer(args, model=ToyModel(), train_dataset=Rows(16), callbacks=[]).train()
print([name for name in ("torch._dynamo", "transformers", "accelerate") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
