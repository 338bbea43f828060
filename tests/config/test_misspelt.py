"""Names that people type for others: the hint names a key that exists and does what was meant."""

from __future__ import annotations

import pytest

from forgather_hydra.config.application import composed
from forgather_hydra.errors import ForgatherError


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("optimizer.learning_rate=1", "optimizer.lr"),
        ("trainer.args.batch_size=3", "trainer.args.per_device_train_batch_size?"),
        ("trainer.args.epochs=3", "trainer.args.num_train_epochs?"),
        ("trainer.args.max_step=3", "trainer.args.max_steps?"),
        ("trainer.args.learning_rate=3", "write +trainer.args.learning_rate=3"),
        ("model_config.n_heads=3", "model_config.num_attention_heads?"),
        ("model_config.num_layers=3", "model_config.num_hidden_layers?"),
        ("resources.gpus=2", "resources.gpus_per_proc?"),
        ("data.seq_len=4", "did you mean data.block_size"),
        ("trainer.args.lr=1", "did you mean trainer.args.learning_rate or optimizer.lr?"),
        ("optimizer.wd=1", "did you mean optimizer.weight_decay"),
        ("model_config.n_embd=8", "did you mean model_config.hidden_size"),
        ("trainer.args.grad_clip=1", "did you mean trainer.args.max_grad_norm"),
        ("lr=1", "did you mean optimizer.lr"),
        ("model=null", "~model leaves the group out"),
        ("+callbacks=ema", "the config group callback?"),
        ("scheduler=cosine", "lr_scheduler?"),
    ],
)
def test_hint(override: str, meant: str) -> None:
    with pytest.raises(ForgatherError) as caught, composed(["+experiment=stories", override]):
        pass
    assert meant in str(caught.value.hint)
    assert "preflight" not in str(caught.value.hint)


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_a_number_is_not_given_as_a_text_beside_it(sign: str) -> None:
    override = f"{sign}optimizer.rates.1=0.2"
    words = ["+experiment=stories", "+optimizer.rates={1:0.1}", override]
    with pytest.raises(ForgatherError, match=r"optimizer\.rates") as caught, composed(words):
        pass
    assert "optimizer.rates={1:VALUE}" in str(caught.value.hint)
