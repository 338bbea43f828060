"""The same losses as Hugging Face's trainer on the same data."""

from __future__ import annotations

import pytest
import torch
import transformers
from toys import VOCABULARY, Rows, losses

SIZE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def llama() -> transformers.LlamaForCausalLM:
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, **SIZE, bos_token_id=1, eos_token_id=2, pad_token_id=0
    )
    return transformers.LlamaForCausalLM(config)


@pytest.mark.parametrize(("masked", "accumulation"), [(False, 1), (True, 2)])
def test_twenty_steps_equal_hugging_face_s(make_trainer, tmp_path, masked, accumulation) -> None:
    data = Rows(30, length=8, masked=masked)
    shared = {
        "max_steps": 20,
        "learning_rate": 5e-3,
        "max_grad_norm": 0.5,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": accumulation,
        "warmup_steps": 3,
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
    }
    ours = make_trainer(model_init=llama, train_dataset=data, shuffle=False, **shared)
    result = ours.train()

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *args, **kwargs):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    def collate(samples):
        batch = torch.utils.data.default_collate(samples)
        return {"labels": batch["input_ids"], **batch}

    transformers.set_seed(42)
    theirs = InOrder(
        llama(),
        transformers.TrainingArguments(
            output_dir=str(tmp_path / "hf"), report_to="none", disable_tqdm=True, **shared
        ),
        train_dataset=data,
        data_collator=collate,
        callbacks=[],
    )
    reference = theirs.train()

    expected = [record for record in theirs.state.log_history if "loss" in record]
    assert losses(ours) == pytest.approx([record["loss"] for record in expected], abs=2e-5)
    norms = [record["grad_norm"] for record in ours.state.log_history]
    assert norms == pytest.approx([record["grad_norm"] for record in expected], rel=1e-3)
    assert result.training_loss == pytest.approx(reference.training_loss, abs=2e-5)
    assert ours.state.epoch == pytest.approx(theirs.state.epoch)
