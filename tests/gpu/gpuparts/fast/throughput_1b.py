"""Tokens/s, MFU and memory of a Llama of 1.2B against the bare loop and peers."""

from __future__ import annotations

from gpuparts.setting import Outcome, Setting
from gpuparts.throughput import measure

LIMIT = 160


def run(setting: Setting) -> Outcome:
    return measure(setting, "1b", batch=6, steps=15, aim=0.55)
