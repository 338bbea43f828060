"""What a run of trl is after a resume, and what packed documents see: for trl.sh."""

from typing import Any

import torch
import transformers
import trl
from datasets import load_dataset
from peft import LoraConfig


def trainer(out: str, steps: int, **more: Any) -> trl.SFTTrainer:
    transformers.set_seed(0)
    config = trl.SFTConfig(
        out, max_steps=steps, per_device_train_batch_size=2, max_length=32, use_cpu=True,
        bf16=False, save_steps=3, report_to="none", disable_tqdm=True, lr_scheduler_type="constant",
        learning_rate=1e-2, **more,
    )  # fmt: skip
    return trl.SFTTrainer(
        transformers.AutoModelForCausalLM.from_pretrained("model"),
        config,
        train_dataset=load_dataset("json", data_files="chats.jsonl", split="train"),
        processing_class=transformers.AutoTokenizer.from_pretrained("model"),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=4, lora_dropout=0.1, target_modules="all-linear"
        ),
    )


def resume_is_exact() -> bool:
    whole, rest = trainer("whole", 6), trainer("halves", 6)
    whole.train()
    trainer("halves", 3).train()
    rest.train(resume_from_checkpoint=True)
    pairs = zip(whole.model.parameters(), rest.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@torch.no_grad()
def documents_are_apart() -> bool:
    packed = trainer("packed", 1, packing=True)
    batch = next(iter(packed.get_train_dataloader()))
    batch.pop("labels")
    second = int((batch["position_ids"][0, 1:] == 0).nonzero()[0]) + 1
    changed = {**batch, "input_ids": batch["input_ids"].clone()}
    changed["input_ids"][0, :second] = 5
    model = packed.model.eval()
    before, after = (model(**each).logits[0, second:] for each in (batch, changed))
    return torch.allclose(before, after, atol=1e-5)


if __name__ == "__main__":
    found = {"resume is exact": resume_is_exact(), "documents are apart": documents_are_apart()}
    print(found)
    assert all(found.values())
