"""Which trainers, rows and weights an adapter does not go with."""

from __future__ import annotations

from functools import partial

import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from forgather_hydra.model.adapters import check_prefix, check_trainer, lora, merge, with_adapter


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="four bits are not divided: train with trainer=accel"):
        check_trainer("AccelTrainer", sharded=True, four_bit=True)
    with pytest.raises(ValueError, match="a pipeline takes the layers"):
        check_trainer("forgather_hydra.train.PipelineTrainer")
    with pytest.raises(ValueError, match=r"data\.packed=false"):
        check_prefix(packed=True)
    check_trainer("AccelTrainer", sharded=True)
    check_trainer("AccelTrainer", four_bit=True)
    check_prefix(packed=False)


def test_weights_that_would_be_others_are_refused(tmp_path, tokenizer) -> None:
    with pytest.raises(ValueError, match="each time the adapter is loaded"):
        lora(init_lora_weights="pissa_niter_4")
    assert lora(init_lora_weights="pissa").init_lora_weights == "pissa"

    sizes = {"vocab_size": 64, "n_embd": 8, "n_layer": 1, "n_head": 1}  # one weight at both ends
    GPT2LMHeadModel(GPT2Config(**sizes)).save_pretrained(tmp_path / "base")
    model = GPT2LMHeadModel.from_pretrained(tmp_path / "base")
    adapted = with_adapter(model, partial(lora, target_modules=["wte"]))
    adapted.save_pretrained(tmp_path, **adapted.save_options)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="whose head is its embeddings"):
        merge(tmp_path, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    with pytest.raises(FileExistsError, match="name another directory"):
        merge(tmp_path, tmp_path)  # beside the adapter, which would be put on it once more
