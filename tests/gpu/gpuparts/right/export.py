"""A trained model, saved, loads with device_map and answers as it did, without this package."""

from __future__ import annotations

import os
import subprocess
import sys
from inspect import getsource

import torch
from transformers import AutoModelForCausalLM

from gpuparts.data import stories
from gpuparts.setting import Outcome, Setting
from gpuparts.training import trainer

LIMIT = 90

LOAD = """
import sys, torch
from transformers import AutoModelForCausalLM
{answer}
logits = answer(*sys.argv[1:], torch.load("prompt.pt"))
assert "forgather_hydra" not in sys.modules
torch.save(logits, "logits.pt")
"""


def run(setting: Setting) -> Outcome:
    found = Outcome()
    made = trainer(setting, "run", max_steps=3)
    made.train()
    made.save_model(setting.folder / "model")
    prompt = stories(2, 16, seed=1).ids
    torch.save(prompt, "prompt.pt")
    with torch.no_grad():
        expected = made.model.eval()(prompt.to(setting.device)).logits.cpu()
    folder = str(setting.folder / "model")
    if setting.tiny:
        logits = answer(folder, setting.device, prompt)
    else:
        logits = answer_elsewhere(folder, setting.device)
    difference = (logits - expected).abs().max() / expected.abs().max()
    found.check("logits_apart", difference.item(), 1e-5)
    return found


def answer(folder, device, prompt):  # type: ignore[no-untyped-def]
    """Logits of the model in a folder, loaded to a device."""
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, device_map=device)
    assert model.device.type == device, model.device
    with torch.no_grad():
        return model.eval()(prompt.to(device)).logits.cpu()


def answer_elsewhere(folder: str, device: str) -> torch.Tensor:
    """The same in a process that cannot import this package."""
    lean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    code = LOAD.format(answer=getsource(answer))
    subprocess.run([sys.executable, "-c", code, folder, device], check=True, env=lean)
    return torch.load("logits.pt")
