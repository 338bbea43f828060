"""Rows of tokens to train on: the letters of stories from a grammar, or random ones."""

from __future__ import annotations

from random import Random

import torch

from forgather_hydra.data.stories import tell_story


class Rows(torch.utils.data.Dataset):
    """Tokens [N, T]; a sample is a row."""

    def __init__(self, ids: torch.Tensor) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.ids[index], "labels": self.ids[index]}


def stories(rows: int, length: int, seed: int = 0) -> Rows:
    """Rows of the bytes of stories, each of which ends with a 1."""
    random, text = Random(seed), bytearray()
    while len(text) < rows * length:
        text += tell_story(random).encode() + b"\x01"
    letters = torch.frombuffer(text, dtype=torch.uint8)[: rows * length]
    return Rows(letters.view(rows, length).long())


def noise(rows: int, length: int, vocabulary: int) -> Rows:
    """Rows of random tokens, for what is only timed."""
    generator = torch.Generator().manual_seed(1)
    return Rows(torch.randint(vocabulary, (rows, length), generator=generator))
