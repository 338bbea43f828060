"""fp16 with its loss scale, gradients that are not finite, and settings of torch."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from toys import Rows, ToyModel, losses, shifted_loss
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from forgather_hydra.train import TrainerCallback
from forgather_hydra.train.parallel.device import enable_gradient_checkpointing


def large_loss(outputs, labels: torch.Tensor, num_items_in_batch: int) -> torch.Tensor:
    """Has gradients that overflow fp16 at the first loss scale, 2^16."""
    return 100 * shifted_loss(outputs.logits, labels)


class Steps(TrainerCallback):
    """Notes the loss scale at the steps taken."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def on_optimizer_step(self, args, state, control, **kwargs) -> None:
        self.taken.append(state.global_step + 1)


class Logits(ToyModel):
    def forward(self, input_ids):  # type: ignore[override]
        return super().forward(input_ids, input_ids)[1]


def test_fp16_follows_fp32(make_trainer) -> None:
    options = {"max_steps": 8, "max_grad_norm": 1.0, "shuffle": False}
    half, full = make_trainer(fp16=True, **options), make_trainer(**options)
    half.train()
    full.train()
    assert half.guard.loss_scale == 2.0**16
    assert losses(half) == pytest.approx(losses(full), rel=2e-3)
    norms = [[r["grad_norm"] for r in trainer.state.log_history] for trainer in (half, full)]
    assert norms[0] == pytest.approx(norms[1], rel=2e-2)
    assert losses(half) != losses(full)


def test_fp16_leaves_out_overflowing_steps_and_halves_the_scale(make_trainer) -> None:
    steps = Steps()
    trainer = make_trainer(
        max_steps=12, fp16=True, model_init=Logits, compute_loss_func=large_loss,
        logging_steps=12, callbacks=[steps], lr_scheduler_type="constant",
    )  # fmt: skip
    trainer.train()
    skipped = 12 - len(steps.taken)
    assert 1 < steps.taken[0] < steps.taken[-1] == 12
    assert trainer.guard.loss_scale == 2.0 ** (16 - skipped)
    assert trainer.state.log_history[-1]["skipped_steps"] == skipped
    assert all(p.isfinite().all() for p in trainer.model.parameters())


def test_fp16_resumes_with_its_scale(make_trainer) -> None:
    def trainer(steps: int, name: str):
        made = make_trainer(
            max_steps=steps, fp16=True, model_init=Logits, compute_loss_func=large_loss,
            save_strategy="steps", save_steps=6, lr_scheduler_type="constant",
        )  # fmt: skip
        made.args.output_dir += name
        return made

    whole, stopped, resumed = trainer(12, "a"), trainer(6, "b"), trainer(12, "b")
    whole.train()
    stopped.train()
    resumed.train(resume_from_checkpoint=True)
    assert resumed.guard.state_dict() == whole.guard.state_dict()
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


class Spoiled(ToyModel):
    """Has a loss that is not a number in some of its passes, counted from 1."""

    def __init__(self, passes) -> None:
        super().__init__()
        self.passes, self.count = passes, 0

    def forward(self, input_ids, labels):
        self.count += 1
        loss, logits = super().forward(input_ids, labels)
        return loss * (torch.nan if self.count in self.passes else 1.0), logits


def test_a_step_that_is_not_finite_is_skipped_on_request(make_trainer) -> None:
    options = {"max_steps": 6, "logging_steps": 3, "lr_scheduler_type": "constant"}
    trainer = make_trainer(model_init=partial(Spoiled, {2}), nan_policy="skip", **options)
    result = trainer.train()
    first, second = trainer.state.log_history
    assert (first["skipped_steps"], "skipped_steps" in second) == (1, False)
    assert result.global_step == 6
    means = [record["loss"] for record in (first, second)]
    assert result.training_loss == pytest.approx((2 * means[0] + 3 * means[1]) / 5)
    assert all(p.isfinite().all() for p in trainer.model.parameters())


def test_it_stops_training_otherwise(make_trainer) -> None:
    trainer = make_trainer(max_steps=6, logging_steps=3, model_init=partial(Spoiled, {2}))
    with pytest.raises(FloatingPointError, match="diverged at or before step 3"):
        trainer.train()


def test_skipping_ends_where_no_step_is_finite(make_trainer) -> None:
    trainer = make_trainer(
        max_steps=90, nan_policy="skip", model_init=partial(Spoiled, range(11, 100))
    )
    with pytest.raises(FloatingPointError, match="in the 50 steps before step 60"):
        trainer.train()


def test_settings_of_torch_hold_while_training(make_trainer) -> None:
    seen = {}

    class Look(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs) -> None:
            seen["precision"] = torch.get_float32_matmul_precision()
            seen["flash"] = torch.backends.cuda.flash_sdp_enabled()
            seen["anomaly"] = torch.is_anomaly_enabled()

    make_trainer(
        max_steps=1, float32_matmul_precision="high", sdpa_backend="math", detect_anomaly=True,
        callbacks=[Look()],
    ).train()  # fmt: skip
    assert seen == {"precision": "high", "flash": False, "anomaly": True}
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.backends.cuda.flash_sdp_enabled()
    assert not torch.is_anomaly_enabled()


def test_offloading_activations_changes_no_loss(make_trainer) -> None:
    moved, kept = (
        make_trainer(enable_activation_offloading=True, max_steps=3),
        make_trainer(max_steps=3),
    )
    moved.train()
    kept.train()
    assert losses(moved) == losses(kept)


def test_parameters_are_made_in_the_default_dtype(make_trainer) -> None:
    trainer = make_trainer(max_steps=2, default_dtype="bfloat16")
    trainer.train()
    assert {p.dtype for p in trainer.model.parameters()} == {torch.bfloat16}
    assert torch.get_default_dtype() == torch.float32


def test_a_type_that_a_configuration_names_gives_way_to_the_default_type(make_trainer) -> None:
    config = LlamaConfig(
        vocab_size=13, hidden_size=8, num_attention_heads=2, intermediate_size=8, dtype="float32"
    )
    trainer = make_trainer(
        model_init=lambda: AutoModelForCausalLM.from_config(config),
        max_steps=1,
        default_dtype="bfloat16",
    )
    trainer.train()
    assert trainer.model.dtype == torch.bfloat16


def test_the_order_of_the_data_has_a_seed_of_its_own(make_trainer) -> None:
    first, second = Rows(24), Rows(24)
    starts = []
    for data, seed in ((first, None), (second, 7)):
        trainer = make_trainer(train_dataset=data, max_steps=6, data_seed=seed, learning_rate=0.0)
        trainer.train()
        starts.append(trainer.model.mix.weight)
    assert torch.equal(*starts)
    assert sorted(first.fetched) == sorted(second.fetched)
    assert first.fetched != second.fetched


@pytest.mark.parametrize(
    ("device", "told"), [("tpu", "torch does not know"), ("xpu", "this machine has '.*' only")]
)
def test_a_device_that_is_not_there_is_told(make_trainer, device: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"device is '{device}'.* {told}"):
        make_trainer(use_cpu=False, device=device).train()


def test_a_build_for_an_accelerator_that_is_not_there_trains_on_the_cpu(
    make_trainer, monkeypatch
) -> None:
    def current(check_available: bool = False) -> torch.device | None:
        return None if check_available else torch.device("cuda")

    monkeypatch.setattr(torch.accelerator, "current_accelerator", current)
    assert make_trainer(use_cpu=False, max_steps=1).train().global_step == 1


@pytest.mark.filterwarnings("error::FutureWarning")
def test_layers_are_checkpointed_by_the_name_that_transformers_keeps() -> None:
    size = {"vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(num_hidden_layers=1, **size))
    enable_gradient_checkpointing(model, {"use_reentrant": False, "preserve_rng_state": False})
    checkpoint = model.model.layers[0]._gradient_checkpointing_func
    assert model.model.layers[0].gradient_checkpointing
    assert checkpoint.keywords == {"use_reentrant": False, "preserve_rng_state": False}


def test_a_model_that_cannot_checkpoint_gradients_is_told(make_trainer) -> None:
    with pytest.raises(ValueError, match="ToyModel cannot do gradient_checkpointing"):
        make_trainer(gradient_checkpointing=True).train()
