"""Tokens/s, MFU and memory of a Llama of 160M against the bare loop and peers."""

from __future__ import annotations

from gpuparts.peers import IMPLEMENTATIONS
from gpuparts.setting import Outcome, Setting
from gpuparts.throughput import measure

LIMIT = 150


def run(setting: Setting) -> Outcome:
    return measure(setting, "160m", batch=32, steps=24, aim=0.45, tiny_turns=tuple(IMPLEMENTATIONS))
