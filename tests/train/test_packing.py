"""Packed documents stay apart, whatever the model; or the model is refused."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
import transformers
from torch.nn.functional import cross_entropy

from forgather_hydra.train import PackedCollator
from forgather_hydra.train.packing import Document, check_documents_apart, second_document

WORDS, END = 64, 2
SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def test_a_document_of_one_token_shows_nothing() -> None:
    positions = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 0, 0, 1]])
    batch = {"input_ids": torch.zeros_like(positions), "position_ids": positions}
    assert second_document(batch) == (1, 3, 5)
    assert second_document({**batch, "position_ids": torch.tensor([[0] * 5] * 2)}) is None


@pytest.mark.parametrize("reach", [0, 2, 1000])
def test_a_few_tokens_show_how_far_a_model_sees(reach: int) -> None:
    places = torch.arange(200)
    batch = {
        "input_ids": torch.randint(3, WORDS, (2, 200)),
        "position_ids": (places % 100).expand(2, -1),
        "mask": torch.ones(2, 1, 200, 200).tril(),
    }
    lengths = []

    def logits(part) -> torch.Tensor:
        ids, mask = part["input_ids"][0].double(), part["mask"][0, 0].double()
        lengths.append(len(ids))
        document = (part["position_ids"][0] == 0).cumsum(0)
        near = places[: len(ids), None] - places[: len(ids)] <= reach
        return (mask * ((document[:, None] == document) | near) @ ids)[None, :, None]

    refused = pytest.raises(ValueError, match="see each other") if reach else nullcontext()
    with refused:
        check_documents_apart(torch.nn.Linear(1, 1), batch, Document(1, 100, 200), logits)
    assert max(lengths) < 50


def documents() -> list[torch.Tensor]:
    tokens = torch.Generator().manual_seed(0)
    bodies = [torch.randint(3, WORDS, (length,), generator=tokens) for length in (5, 9, 4, 7)]
    return [torch.cat([body, torch.tensor([END])]) for body in bodies]


def sharp(model: torch.nn.Module) -> torch.nn.Module:
    """With weights so large that it matters what attention sees."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4 if weight.ndim == 2 else 1)
    return model.eval()


def llama(**settings) -> torch.nn.Module:
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=WORDS, intermediate_size=32, max_position_embeddings=64, **SHAPE, **settings
    )
    return sharp(transformers.LlamaForCausalLM(config))


def gpt2() -> torch.nn.Module:
    torch.manual_seed(3)
    config = transformers.GPT2Config(
        vocab_size=WORDS, n_embd=16, n_layer=2, n_head=2, n_positions=64, resid_pdrop=0,
        embd_pdrop=0, attn_pdrop=0,
    )  # fmt: skip
    return sharp(transformers.GPT2LMHeadModel(config))


class Wrapped(torch.nn.Module):
    """The user's own module around a model, which it calls without a word about a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = llama()

    def forward(self, input_ids, position_ids, labels):
        return self.inner(input_ids=input_ids, position_ids=position_ids, labels=labels)


class Deaf(Wrapped):
    """Has no parameter for what keeps documents apart."""

    def forward(self, input_ids, labels):
        return self.inner(input_ids=input_ids, labels=labels)


class Careless(Wrapped):
    """Has one, and looks at all tokens before."""

    def forward(self, input_ids, position_ids, labels):
        return self.inner(input_ids=input_ids, labels=labels)


def alone(model: torch.nn.Module) -> float:
    """The mean loss of the documents, each by itself."""
    model = getattr(model, "inner", model)
    with torch.no_grad():
        losses = [
            cross_entropy(model(input_ids=d[None]).logits[0, :-1], d[1:], reduction="sum")
            for d in documents()
        ]
    return float(sum(losses)) / sum(len(d) - 1 for d in documents())


def make(make_trainer, model: torch.nn.Module, **options):
    rows = [{"input_ids": torch.cat(documents())}] * 2
    return make_trainer(
        model=model, train_dataset=rows, eval_dataset=rows, max_steps=1,
        data_collator=PackedCollator(eos_token_id=END), **options,
    )  # fmt: skip


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", [llama, gpt2, Wrapped])
def test_losses_are_those_of_the_documents_alone(make_trainer, kind, checkpointing: bool) -> None:
    if checkpointing and kind is Wrapped:
        pytest.skip("has no switch for gradient checkpointing")
    expected = alone(kind())
    trainer = make(make_trainer, kind(), gradient_checkpointing=checkpointing)
    evaluated = trainer.evaluate()["eval_loss"]
    predicted = trainer.predict(trainer.eval_dataset).metrics["test_loss"]
    trainer.train()
    trained = trainer.state.log_history[-1]["loss"]
    assert (evaluated, predicted, trained) == pytest.approx((expected,) * 3, abs=1e-4)


@pytest.mark.parametrize("back_end", ["eager", "sdpa"])
def test_back_ends_agree(make_trainer, back_end: str) -> None:
    expected = alone(llama())
    found = make(make_trainer, llama(attn_implementation=back_end)).evaluate()["eval_loss"]
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("action", ["train", "evaluate", "predict"])
@pytest.mark.parametrize("kind", [Deaf, Careless])
def test_a_model_that_cannot_is_refused(make_trainer, kind, action: str) -> None:
    trainer = make(make_trainer, kind())
    arguments = [trainer.eval_dataset] if action == "predict" else []
    with pytest.raises(ValueError, match=r"packed documents.*data\.packed"):
        getattr(trainer, action)(*arguments)


def test_no_cache_is_made_and_the_configuration_stays(make_trainer) -> None:
    made = []

    class Seen(Wrapped):
        def forward(self, input_ids, labels):
            outputs = self.inner(input_ids=input_ids, labels=labels)
            made.append(outputs.past_key_values)
            return outputs

    trainer = make_trainer(model=Seen(), train_dataset=[{"input_ids": documents()[0]}] * 4)
    trainer.train()
    assert made
    assert not any(made)
    assert trainer.model.inner.config.use_cache
