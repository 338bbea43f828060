"""trl: fine-tuning, preferences and rewards."""

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

TEXTS = ["One day it rained so hard that the river rose.", "the fox went to the market"] * 12
PAIRS = {
    "prompt": ["What is the answer?", "Where is the fox?"] * 8,
    "chosen": [" I do not know.", " By the river."] * 8,
    "rejected": [" the the the the", " honey"] * 8,
}


@pytest.fixture
def words(one_of_few):
    return AutoTokenizer.from_pretrained(one_of_few)


@pytest.fixture
def settings(tmp_path):
    """Arguments that all trainers of trl take."""
    return {
        "output_dir": str(tmp_path),
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "no",
    }


def losses(trainer) -> list[float]:
    before = {n: p.detach().clone() for n, p in trainer.model.named_parameters() if p.requires_grad}
    trainer.train()
    after = dict(trainer.model.named_parameters())
    assert any(not torch.equal(value, after[name]) for name, value in before.items())
    found = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(found) == 4
    assert all(torch.tensor(found).isfinite())
    return found


TEXT = Dataset.from_dict({"text": TEXTS})
CHATS = Dataset.from_list(
    [
        {"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}]}
        for a, b in zip(PAIRS["prompt"], PAIRS["chosen"], strict=True)
    ]
)


def lora() -> dict:
    """A configuration of its own for each model, since peft writes into it."""
    return {"peft_config": LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear")}


@pytest.mark.parametrize(
    ("data", "kwargs", "options"),
    [
        (TEXT, dict, {}),
        (TEXT, dict, {"packing": True, "max_length": 32}),
        (TEXT, dict, {"packing": True, "max_length": 32, "packing_strategy": "wrapped"}),
        (TEXT, dict, {"padding_free": True, "max_length": None}),
        (TEXT, lora, {}),
        (CHATS, dict, {}),
    ],
    ids=["plain", "packed", "wrapped", "padding-free", "LoRA", "chats"],
)
def test_fine_tuning(one_of_few, load, words, settings, data, kwargs, options):
    trainer = SFTTrainer(
        model=load(one_of_few),
        args=SFTConfig(**settings, **options),
        train_dataset=data,
        processing_class=words,
        **kwargs(),
    )
    found = losses(trainer)
    assert found[-1] < found[0]


def test_fine_tuning_from_a_path(one_of_few, settings):
    config = SFTConfig(**settings, model_init_kwargs={"trust_remote_code": True})
    found = losses(SFTTrainer(model=one_of_few, args=config, train_dataset=TEXT))
    assert found[-1] < found[0]


@pytest.mark.parametrize("kwargs", [dict, lora], ids=["whole", "LoRA"])
def test_preferences(one_of_few, load, words, settings, kwargs):
    found = losses(
        DPOTrainer(
            model=load(one_of_few),
            args=DPOConfig(**settings),
            train_dataset=Dataset.from_dict(PAIRS),
            processing_class=words,
            **kwargs(),
        )
    )
    assert found[0] == pytest.approx(0.6931, abs=1e-3)  # the two models are one at first
    assert found[-1] < found[0]


def test_rewards(one_of_few, load, words, settings):
    model = load(one_of_few, AutoModelForSequenceClassification, num_labels=1)
    texts = {
        k: [p + t for p, t in zip(PAIRS["prompt"], PAIRS[k], strict=True)]
        for k in ("chosen", "rejected")
    }
    losses(
        RewardTrainer(
            model=model,
            args=RewardConfig(**settings),
            train_dataset=Dataset.from_dict(texts),
            processing_class=words,
        )
    )
