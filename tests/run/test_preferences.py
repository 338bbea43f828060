"""Preference training by trl, as from the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import TINY, metrics
from transformers import AutoTokenizer

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError

pytest.importorskip("trl")
pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")

WORDS = (
    *("+experiment=dpo", "model.path=base", "data.path=pairs.jsonl", "main.logging_steps=1"),
    *("main.save_steps=2", "main.max_length=64", "+main.lr_scheduler_type=constant"),
    *("main.learning_rate=0.01", "main.per_device_train_batch_size=4", "+main.use_cpu=true"),
)


def test_one_answer_comes_to_be_preferred_and_a_stopped_run_goes_on(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = [word for word in TINY if "max_steps" not in word]
    fg.launch(*words, "trainer.args.max_steps=2", "hydra.run.dir=base")
    pairs = [
        {"prompt": f"Who is {n}?", "chosen": f"{n} is a fox.", "rejected": "the the"}
        for n in range(40)
    ]
    Path("pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))

    fg.launch(*WORDS, "main.max_steps=4", "hydra.run.dir=whole")
    records = metrics(Path("whole"))
    assert records[-1]["final"]
    assert records[-1]["eval_loss"] < math.log(2)  # which it is of two equal models
    assert AutoTokenizer.from_pretrained("whole/model", trust_remote_code=True).chat_template

    fg.launch(*WORDS, "main.max_steps=2", "hydra.run.dir=halves")
    fg.launch(*WORDS, "main.max_steps=4", "hydra.run.dir=halves", "resume=true")
    first, second = (load_file(f"{run}/model/model.safetensors") for run in ("whole", "halves"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [r["step"] for r in metrics(Path("halves")) if "loss" in r] == [1, 2, 3, 4]

    Path("pairs.jsonl").write_text('{"prompt": "x", "chosen": "y"}\n')
    with pytest.raises(ForgatherError, match=r"pairs\.jsonl:1: no rejected; it has prompt, chosen"):
        fg.launch(*WORDS, "hydra.run.dir=refused")
