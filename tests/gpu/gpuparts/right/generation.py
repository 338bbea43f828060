"""Generation with a dynamic and a static cache, and compiled: as the whole text is read."""

from __future__ import annotations

from typing import Any

import torch

from forgather_hydra.cached_generation import cache_error
from gpuparts.data import stories
from gpuparts.setting import Outcome, Setting
from gpuparts.training import trainer

LIMIT = 120


def run(setting: Setting) -> Outcome:
    found = Outcome()
    made = trainer(setting, "run", max_steps=setting.size(3, 60))
    made.train()
    model = made.model.eval()
    prompt = stories(2, 16, seed=1).ids.to(setting.device)
    error, explained = cache_error(model, prompt, setting.size(4, 24))
    found.check("dynamic_cache_logits", error, explained)
    dynamic = write(model, prompt, setting)
    static = write(model, prompt, setting, cache_implementation="static", disable_compile=True)
    found.require("static cache writes the same", torch.equal(dynamic, static))
    if setting.on_gpu:
        compiled = write(model, prompt, setting, cache_implementation="static")
        # Sums in another order may decide otherwise between two tokens that are as likely.
        other = (dynamic != compiled).float().mean().item()
        found.check("compiled_writes_other_tokens", other, 0.05)
    else:
        found.notes.append("generation is compiled on a GPU alone")
    return found


def write(model: Any, prompt: torch.Tensor, setting: Setting, **options: Any) -> torch.Tensor:
    return model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=setting.size(4, 32),
        do_sample=False,
        eos_token_id=None,
        pad_token_id=2,
        **options,
    )
