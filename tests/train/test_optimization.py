"""Optimizers by parameter name, several as one, and steps taken during the backward pass."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from toys import ToyModel, losses

from forgather_hydra.train import MultiOptimizer, grouped, multiple

SGD, AdamW = torch.optim.SGD, torch.optim.AdamW


def weights(trainer) -> list[torch.Tensor]:
    return [p.detach() for p in trainer.model.parameters()]


def names(group: dict) -> list[str]:
    return group["param_names"]


def test_the_first_rule_that_fits_a_parameter_decides() -> None:
    rules = [
        {"pattern": "embedding", "lr": 0.5},
        {"pattern": "bias", "weight_decay": 0.0},
        {"pattern": "nothing has this name"},
        {"pattern": "mix", "ndim": 2},
    ]
    optimizer = grouped(
        ToyModel().named_parameters(), partial(SGD, lr=0.1, weight_decay=1.0), rules
    )
    found = [(names(g), g["lr"], g["weight_decay"]) for g in optimizer.param_groups]
    assert found == [
        (["embedding.weight"], 0.5, 1.0),
        (["mix.bias"], 0.1, 0.0),
        (["mix.weight"], 0.1, 1.0),
    ]


def test_a_resumed_schedule_finds_each_rate_where_its_group_stands_now(make_trainer) -> None:
    rules = [{"pattern": "embedding", "lr": 0.5}, {"pattern": "mix"}]

    def make(rules: list[dict]):
        factory = partial(grouped, optimizer=partial(SGD, lr=0.1), rules=rules)
        options = {"save_strategy": "steps", "save_steps": 2, "lr_scheduler_type": "linear"}
        return make_trainer(max_steps=4, optimizer_factory=factory, **options)

    whole, resumed = make(rules), make(rules[::-1])
    whole.train()
    resumed.train(resume_from_checkpoint=whole.args.checkpoint_dir / "checkpoint-2")
    name_of = {parameter: name for name, parameter in resumed.model.named_parameters()}
    last = [name_of[group["params"][-1]] for group in resumed.optimizer.param_groups]
    assert last == ["mix.bias", "embedding.weight"]
    assert all(map(torch.equal, weights(resumed), weights(whole)))


def test_a_parameter_that_no_rule_fits_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"mix.bias \(1-dimensional\): end the rules with one of"):
        grouped(ToyModel().named_parameters(), AdamW, [{"pattern": "weight"}])


MIXED = [
    {"pattern": "mix", "ndim": 2, "optimizer": partial(SGD, lr=0.3, momentum=0.9)},
    {"pattern": ".", "optimizer": partial(AdamW, lr=0.02)},
]


def test_several_optimizers_step_as_each_of_them_would() -> None:
    together, apart = ToyModel(), ToyModel()
    apart.load_state_dict(together.state_dict())
    one = multiple(together.named_parameters(), MIXED)
    assert isinstance(one, MultiOptimizer)
    several = [SGD([apart.mix.weight], lr=0.3, momentum=0.9),
               AdamW([apart.embedding.weight, apart.mix.bias], lr=0.02)]  # fmt: skip
    ids = torch.arange(12).view(2, 6)
    for _ in range(3):
        together(ids, ids)[0].backward()
        apart(ids, ids)[0].backward()
        for optimizer in (one, *several):
            optimizer.step()
            optimizer.zero_grad()
    for ours, theirs in zip(together.parameters(), apart.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("factory", [None, partial(multiple, rules=MIXED)])
@pytest.mark.parametrize("fused", [False, True])
def test_a_schedule_and_a_resumption_reach_every_optimizer(make_trainer, factory, fused) -> None:
    options = {
        "optimizer_factory": factory, "fuse_optim_with_backward": fused, "weight_decay": 0.1,
        "save_strategy": "steps", "save_steps": 5,
    }  # fmt: skip
    whole = make_trainer(max_steps=9, **options)
    whole.train()
    assert {group["lr"] for group in whole.optimizer.param_groups} == {0.0}
    whole.args.output_dir += "-whole"
    resumed = make_trainer(max_steps=9, **options)
    resumed.train(resume_from_checkpoint=str(resumed.args.checkpoint_dir / "checkpoint-5"))
    assert losses(resumed) == losses(whole)
    assert all(map(torch.equal, weights(resumed), weights(whole)))


@pytest.mark.parametrize("factory", [None, partial(SGD, lr=0.1, momentum=0.9)])
def test_stepping_during_the_backward_pass_gives_equal_weights(make_trainer, factory) -> None:
    options = {"max_steps": 8, "weight_decay": 0.1, "optimizer_factory": factory}
    fused, plain = make_trainer(fuse_optim_with_backward=True, **options), make_trainer(**options)
    fused.train()
    plain.train()
    assert losses(fused) == losses(plain)
    assert all(map(torch.equal, weights(fused), weights(plain)))
    assert "grad_norm" not in fused.state.log_history[0]


def test_there_is_never_more_than_one_gradient_and_each_step_is_for_one(make_trainer) -> None:
    alive, stepped = [], []
    trainer = make_trainer(max_steps=1, fuse_optim_with_backward=True)

    def factory(pairs):
        optimizer = SGD(pairs, lr=0.1)
        optimizer.register_step_pre_hook(
            lambda *_: alive.append(sum(p.grad is not None for p in trainer.model.parameters()))
        )
        optimizer.register_step_pre_hook(
            lambda it, *_: stepped.append(sum(len(group["params"]) for group in it.param_groups))
        )
        return optimizer

    trainer.optimizer_factory = factory
    trainer.train()
    assert alive == stepped == [1, 1, 1]


def test_after_training_a_backward_pass_takes_no_step(make_trainer) -> None:
    trainer = make_trainer(max_steps=1, fuse_optim_with_backward=True)
    trainer.train()
    before = [p.clone() for p in weights(trainer)]
    ids = torch.arange(12).view(2, 6)
    trainer.model(ids, ids)[0].backward()
    assert all(map(torch.equal, weights(trainer), before))
    assert trainer.model.mix.weight.grad is not None


def test_what_cannot_take_part_in_a_step_is_told(make_trainer) -> None:
    closure = make_trainer(optimizer_cls_and_kwargs=(torch.optim.LBFGS, {}), max_steps=1)
    with pytest.raises(ValueError, match="LBFGS computes the loss several times"):
        closure.train()
    plateau = make_trainer(
        lr_scheduler_factory=torch.optim.lr_scheduler.ReduceLROnPlateau, max_steps=1
    )
    with pytest.raises(ValueError, match="ReduceLROnPlateau follows a metric"):
        plateau.train()
    frozen = make_trainer(model_init=lambda: ToyModel().requires_grad_(False), max_steps=1)
    with pytest.raises(ValueError, match="no parameter of the model needs a gradient"):
        frozen.train()
