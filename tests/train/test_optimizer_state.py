"""Optimizer state by parameter name."""

from __future__ import annotations

import pytest
import torch
from toys import ToyModel

from forgather_hydra.train.optim.state import load_named_state, merge_values, named_state


def trained(model: torch.nn.Module, groups: list[dict]) -> torch.optim.Optimizer:
    """An optimizer after a step with random gradients."""
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return optimizer


def by_name(optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state[parameter].items()
    }


def load(optimizer, model, saved, aliases=None) -> None:
    load_named_state(
        optimizer, model, saved, aliases or {}, lambda tensor, _: tensor, lambda _: True
    )


def test_state_follows_the_name_into_other_groups_and_another_order() -> None:
    model, other = ToyModel(), ToyModel()
    named, others = (dict(m.named_parameters()) for m in (model, other))
    matrices, bias = ["mix.weight", "embedding.weight"], ["mix.bias"]
    optimizer = trained(
        model,
        [
            {"params": [named[n] for n in matrices], "weight_decay": 0.3},
            {"params": [named[n] for n in bias], "weight_decay": 0.0},
        ],
    )
    saved = named_state(optimizer, model)
    target = torch.optim.AdamW([{"params": others[n]} for n in (*bias, *reversed(matrices))])
    load(target, other, saved)
    assert [group["weight_decay"] for group in target.param_groups] == [0.0, 0.3, 0.3]
    assert [group["lr"] for group in target.param_groups] == [0.1] * 3
    expected, loaded = by_name(optimizer, model), by_name(target, other)
    assert expected.keys() == loaded.keys()
    assert all(torch.equal(expected[key], loaded[key]) for key in expected)


def test_state_that_is_there_keeps_its_memory_and_is_no_view_of_what_was_saved() -> None:
    model = ToyModel()
    optimizer = trained(model, [{"params": list(model.parameters())}])
    saved = named_state(trained(model, optimizer.param_groups), model)
    before = {key: value.data_ptr() for key, value in by_name(optimizer, model).items()}
    load(optimizer, model, saved)
    loaded = by_name(optimizer, model)
    assert {key: value.data_ptr() for key, value in loaded.items()} == before
    assert all(torch.equal(loaded[key], value) for key, value in saved.tensors.items())


def test_shares_of_processes_are_put_together() -> None:
    """Each has the state of a part of the parameters, and a group of the settings for them."""
    parts = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 3), "b": torch.nn.Linear(3, 2)})
    stages = [torch.nn.ModuleDict({name: module}) for name, module in parts.items()]
    optimizers = [
        trained(stage, [{"params": list(stage.parameters()), "weight_decay": decay}])
        for stage, decay in zip(stages, (0.1, 0.2), strict=True)
    ]
    shares = [named_state(o, stage) for o, stage in zip(optimizers, stages, strict=True)]
    whole = shares[0]._replace(
        tensors=shares[0].tensors | shares[1].tensors,
        values=merge_values([shares[0].values, shares[1].values, shares[1].values]),
    )
    assert [group["weight_decay"] for group in whole.values["groups"]] == [0.1, 0.2]
    single = torch.optim.AdamW([{"params": module.parameters()} for module in parts.values()])
    load(single, parts, whole)
    assert [group["weight_decay"] for group in single.param_groups] == [0.1, 0.2]
    assert {k: v.tolist() for k, v in by_name(single, parts).items()} == {
        k: v.tolist() for k, v in whole.tensors.items()
    }
    with pytest.raises(ValueError, match=r"a\.weight and b\.weight .* different settings"):
        load(torch.optim.AdamW(parts.parameters()), parts, whole)


def test_a_tied_parameter_is_found_under_its_other_name() -> None:
    model = ToyModel()
    optimizer = trained(model, [{"params": list(model.parameters())}])
    head = torch.nn.ModuleDict({"head": torch.nn.Linear(8, 13, bias=False)})
    alone = torch.optim.AdamW(head.parameters())
    saved = named_state(optimizer, model)
    with pytest.raises(ValueError, match=r"no optimizer state for head\.weight"):
        load(alone, head, saved)
    load(alone, head, saved, {"head.weight": "embedding.weight"})
    expected = optimizer.state[model.embedding.weight]["exp_avg"]
    assert torch.equal(alone.state[head["head"].weight]["exp_avg"], expected)


class Counting(torch.optim.SGD):
    """Keeps numbers of other types than its parameters', and values that are no tensors."""

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["calls"] = state.get("calls", 0) + 1
                state["order"] = torch.arange(2**24, 2**24 + 3)
                state["mean"] = parameter.grad.double()


def test_types_and_plain_values_are_kept() -> None:
    model, other = torch.nn.Linear(2, 2, dtype=torch.bfloat16), torch.nn.Linear(2, 2)
    optimizer = Counting(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    loaded = Counting(other.parameters())
    load(loaded, other, named_state(optimizer, model))
    ours, theirs = optimizer.state[model.weight], loaded.state[other.weight]
    assert theirs["calls"] == 1
    for key in ("order", "mean"):
        assert theirs[key].dtype == ours[key].dtype
        assert torch.equal(theirs[key], ours[key])


def test_the_state_of_another_optimizer_is_refused() -> None:
    model = ToyModel()
    saved = named_state(trained(model, [{"params": list(model.parameters())}]), model)
    with pytest.raises(ValueError, match="another optimizer, which has no momentum, dampening"):
        load(torch.optim.SGD(model.parameters(), lr=0.1), model, saved)
