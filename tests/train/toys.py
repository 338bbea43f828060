"""Small models and data sets that train in milliseconds."""

from __future__ import annotations

import torch

from forgather_hydra.train import Trainer

VOCABULARY = 13


class Mix(torch.nn.Linear):
    """What the model has for a layer."""


class ToyModel(torch.nn.Module):
    """Embedding, dropout and a tied head: returns `(loss, logits)`."""

    _no_split_modules = ("Mix",)

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, 8)
        torch.nn.init.normal_(self.embedding.weight, std=0.2)
        self.dropout = torch.nn.Dropout(dropout)
        self.mix = Mix(8, 8)
        self.head = torch.nn.Linear(8, VOCABULARY, bias=False)
        self.head.weight = self.embedding.weight

    def forward(
        self, input_ids: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.dropout(self.embedding(input_ids))
        logits = self.head(hidden + torch.tanh(self.mix(hidden)))
        return shifted_loss(logits, labels), logits


def shifted_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, VOCABULARY), labels[:, 1:].reshape(-1)
    )


def loss_of_outputs(outputs, labels: torch.Tensor, num_items_in_batch: int) -> torch.Tensor:
    """A loss function as transformers calls it."""
    return shifted_loss(outputs.logits, labels)


class Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Random token rows; with `masked`, rows have labels and different numbers of targets."""

    def __init__(self, count: int, length: int = 6, *, seed: int = 0, masked: bool = False) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.ids = torch.randint(VOCABULARY, (count, length), generator=generator)
        self.labels = self.ids.clone()
        for index in range(count):
            self.labels[index, : index % max(1, length - 1)] = -100
        self.masked = masked
        self.fetched: list[int] = []

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.fetched.append(index)
        sample = {"input_ids": self.ids[index]}
        return {**sample, "labels": self.labels[index]} if self.masked else sample


def losses(trainer: Trainer) -> list[float]:
    """Training losses in the order logged."""
    return [record["loss"] for record in trainer.state.log_history if "loss" in record]
