"""Every optimizer of the config group trains a tiny Llama, and resumes to the bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from toys import losses

import forgather_hydra as fg
from forgather_hydra.paths import conf_dir
from forgather_hydra.train import Apollo, GaLore, MultiOptimizer

FOLDER = conf_dir() / "optimizer"
VOCABULARY = 16
# A noisy walk, of which the best model has a loss of ln 2 = 0.69; the first loss is ln 16 = 2.77.
REACHED = 1.1
# What fits a model of width 32 better than the settings of the config group.
SMALL: dict[str, dict[str, Any]] = {
    "adamw8bit": {"min_8bit_size": 256},
    "galore": {"rank": 8, "lr": 3e-2, "scale": 0.5},
    "apollo": {"rank": 8, "lr": 2e-2},
    "apollo_mini": {"lr": 2e-2, "scale": 3.0},
    "sgd": {"lr": 1.0},
}


def factory(name: str) -> Callable[..., torch.optim.Optimizer]:
    """The factory that a file of the config group describes."""
    config = fg.ConfigEnvironment(searchpath=[str(conf_dir())]).load(f"optimizer/{name}.yaml")
    return partial(fg.Latent.materialize, config.config, **SMALL.get(name, {}))


def llama() -> transformers.LlamaForCausalLM:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, bos_token_id=None, eos_token_id=None,
        )
    )  # fmt: skip


class Walks(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Rows of tokens, each one or two above the one before."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        start = torch.randint(VOCABULARY, (480, 1), generator=generator)
        steps = torch.randint(1, 3, (480, 24), generator=generator)
        self.rows = (start + steps.cumsum(1)) % VOCABULARY

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.rows[index]}


@pytest.fixture
def trained(make_trainer) -> Callable[..., Any]:
    def train(name: str, folder: str, steps: int, resume: Path | None = None):
        trainer = make_trainer(
            model_init=llama, train_dataset=Walks(), optimizer_factory=factory(name),
            per_device_train_batch_size=8, max_steps=steps, logging_steps=10, max_grad_norm=1.0,
            save_strategy="steps", save_steps=25, save_total_limit=None,
            lr_scheduler_type="constant_with_warmup", warmup_steps=5,
        )  # fmt: skip
        trainer.args.output_dir += folder
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    return train


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_it_learns_and_resumes_to_the_bit(trained, name: str) -> None:
    whole = trained(name, "whole", 60)
    assert losses(whole)[0] > 1.3
    assert losses(whole)[-1] < REACHED
    resumed = trained(name, "resumed", 60, whole.args.checkpoint_dir / "checkpoint-25")
    assert losses(resumed) == losses(whole)
    pairs = zip(resumed.model.parameters(), whole.model.parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_muon_takes_the_matrices_of_the_layers_and_no_others() -> None:
    model = llama()
    optimizer = factory("muon")(model.named_parameters())
    assert isinstance(optimizer, MultiOptimizer)
    muon, adamw = optimizer.optimizers
    assert isinstance(muon, torch.optim.Muon)
    taken = muon.param_groups[0]["param_names"]
    assert len(taken) == 2 * 7
    assert all(".layers." in name and "norm" not in name for name in taken)
    assert "lm_head.weight" in adamw.param_groups[0]["param_names"]


def reference_galore(weight, grads, rank, lr, scale, gap, betas=(0.9, 0.999), eps=1e-8):
    """GaLore's algorithm 2 for a wide matrix, as the paper writes it."""
    moment, variance = torch.zeros(rank, weight.shape[1]), torch.zeros(rank, weight.shape[1])
    for t, grad in enumerate(grads):
        if t % gap == 0:
            basis = torch.linalg.svd(grad)[0][:, :rank]
        low = basis.T @ grad
        moment = betas[0] * moment + (1 - betas[0]) * low
        variance = betas[1] * variance + (1 - betas[1]) * low**2
        unbiased = moment / (1 - betas[0] ** (t + 1)), variance / (1 - betas[1] ** (t + 1))
        weight = weight - lr * scale * basis @ (unbiased[0] / (unbiased[1].sqrt() + eps))
    return weight


def stepped(optimizer_class, weight: torch.Tensor, grads, **settings: Any) -> torch.Tensor:
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = optimizer_class([parameter], **settings)
    for grad in grads:
        parameter.grad = grad.clone()
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("tall", [False, True])
def test_galore_is_the_paper_s(tall: bool) -> None:
    torch.manual_seed(0)
    weight, grads = torch.randn(6, 9), torch.randn(7, 6, 9)
    expected = reference_galore(weight, grads, 3, 0.1, 0.25, gap=4)
    if tall:
        found = stepped(GaLore, weight.T, grads.mT, lr=0.1, rank=3, scale=0.25, update_gap=4).T
    else:
        found = stepped(GaLore, weight, grads, lr=0.1, rank=3, scale=0.25, update_gap=4)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_apollo_scales_whole_channels_and_limits_their_growth() -> None:
    torch.manual_seed(0)
    weight, grads = torch.randn(6, 9), torch.randn(5, 6, 9)
    steps = [weight] + [stepped(Apollo, weight, grads[:n], lr=1.0, rank=3) for n in range(1, 6)]
    moves = [before - after for before, after in pairwise(steps)]
    for move, grad in zip(moves, grads, strict=True):
        ratio = move / grad
        torch.testing.assert_close(ratio, ratio[:1].expand(6, 9), atol=1e-4, rtol=1e-3)
    norms = [move.norm().item() for move in moves]
    assert all(b <= 1.0101 * a for a, b in pairwise(norms))
    mini = weight - stepped(Apollo, weight, grads[:1], lr=1.0, rank=3, mini=True)
    ratio = mini / grads[0]
    torch.testing.assert_close(ratio, ratio[:1, :1].expand(6, 9), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("optimizer_class", [GaLore, Apollo])
def test_vectors_and_small_matrices_get_adamw(optimizer_class) -> None:
    torch.manual_seed(0)
    settings = {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.2}
    for shape in ((7,), (3, 5), (2, 3, 4)):
        weight, grads = torch.randn(shape), torch.randn(4, *shape)
        found = stepped(optimizer_class, weight, grads, rank=3, **settings)
        expected = stepped(torch.optim.AdamW, weight, grads, **settings)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["galore", "apollo"])
def test_the_state_of_a_projected_matrix_is_small(trained, name: str) -> None:
    trainer = trained(name, "state", 1)
    weight = trainer.model.model.layers[0].mlp.up_proj.weight
    state = trainer.optimizer.state[weight]
    assert state["exp_avg"].shape == (8, 64)
    kept = sum(v.numel() for v in state.values() if isinstance(v, torch.Tensor))
    assert kept <= 2 * 8 * 64 + 8 * 32


def test_the_config_group_is_tested_whole() -> None:
    assert {path.stem for path in Path(FOLDER).glob("*.yaml")} >= SMALL.keys()
