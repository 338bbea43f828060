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
from forgather_hydra.data import preference_files
from forgather_hydra.errors import ForgatherError

pytest.importorskip("trl")
pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")

WORDS = (
    *("+experiment=dpo", "model.path=base", "data.path=pairs.jsonl", "main.logging_steps=1"),
    *("main.save_steps=2", "main.max_length=64", "+main.lr_scheduler_type=constant"),
    *("main.learning_rate=0.01", "main.per_device_train_batch_size=4", "+main.use_cpu=true"),
    "model.save_dtype=float64",
)


def said(*turns: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": turn} for n, turn in enumerate(turns)]


def test_the_prompt_may_be_in_both_answers(tmp_path) -> None:
    good, bad, whole = said("q", "yes"), said("q", "no"), said("q", "a", "r", "yes")
    rows = [
        {"prompt": "q", "chosen": "yes", "rejected": "no"},
        {"prompt": said("q"), "chosen": good[1:], "rejected": bad[1:]},
        {"prompt": "q", "chosen": good, "rejected": bad},
        {"prompt": None, "chosen": good, "rejected": bad},
        {"prompt": "r", "chosen": whole, "rejected": [*whole[:3], bad[1]]},
        {"prompt": said("q"), "chosen": whole[1:], "rejected": [*whole[1:3], bad[1]]},
    ]
    (tmp_path / "pairs.json").write_text(json.dumps(rows))
    found = [*preference_files(tmp_path, "train", eval_fraction=0)]
    answers = {"chosen": good[1:], "rejected": bad[1:]}
    assert found[:4] == [{"prompt": said("q"), **answers}] * 4
    assert found[4:] == [{"prompt": whole[:3], **answers}] * 2


def test_messages_have_no_keys_that_others_have(tmp_path) -> None:
    calls = [{"name": "weather", "arguments": {"city": "Ulm"}}, {"name": "time", "arguments": {}}]
    rows = [
        {
            "prompt": "q",
            "chosen": [{"role": "assistant", "content": "", "tool_calls": [{"function": call}]}],
            "rejected": said("q", "no")[1:],
        }
        for call in calls
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [*preference_files(tmp_path, "train", eval_fraction=0)]
    assert [row["chosen"] for row in found] == [row["chosen"] for row in rows]


def test_a_system_message_is_said_and_odd_messages_are_told(tmp_path) -> None:
    file = tmp_path / "pairs.jsonl"
    pair = {"prompt": "q", "chosen": "yes", "rejected": "no"}
    file.write_text(json.dumps(pair | {"system": "Be short."}))
    (found,) = preference_files(file, "train", eval_fraction=0)
    assert found["prompt"] == [{"role": "system", "content": "Be short."}, *said("q")]
    for odd, message in (
        ({"chosen": 1}, "field 'chosen' holds int, not a string"),
        ({"prompt": said("q")[0] | {"content": None}}, "field 'prompt' holds dict"),
        ({"prompt": [said("q")[0] | {"content": None}]}, "prompt: message 0 has no text 'content'"),
        ({"rejected": [{"role": "me", "content": "x"}]}, "rejected: message 0 has role 'me'"),
        ({"chosen": said("q", "yes", "and?")}, "chosen ends with a message of 'user'"),
    ):
        file.write_text(f"{json.dumps(pair)}\n{json.dumps(pair | odd)}")
        with pytest.raises(ValueError, match=rf"pairs\.jsonl:2: {message}"):
            preference_files(file, "train", eval_fraction=0)


def test_pairs_of_the_same_answer_are_counted(tmp_path, caplog) -> None:
    pair = {"prompt": "q", "chosen": "yes", "rejected": "no"}
    rows = [pair, pair | {"rejected": "yes"}, pair | {"chosen": said("q", "no")[1:]}]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(preference_files(file, "train", eval_fraction=0)) == 3
    whole = said("q", "yes")
    file.write_text(json.dumps({"prompt": None, "chosen": whole, "rejected": whole}))
    (found,) = preference_files(file, "train", eval_fraction=0)
    assert (found["prompt"], found["chosen"]) == (whole[:1], whole[1:])  # no empty answer
    assert "of 3 pairs to train on, 2 have the same answer twice" in caplog.text


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
    assert {weight.dtype for weight in first.values()} == {torch.float64}
    assert [r["step"] for r in metrics(Path("halves")) if "loss" in r] == [1, 2, 3, 4]

    # Without marks of what is to be learned, which the template needs for conversations only.
    tokenizer = AutoTokenizer.from_pretrained("base/model")
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    tokenizer.save_pretrained("base/model")
    fg.launch(*WORDS, "+adapter=lora", "main.max_steps=1", "hydra.run.dir=adapted")
    assert Path("adapted/model/adapter_model.safetensors").is_file()
    assert not Path("adapted/model/ref").exists()

    # What is taken out of the weights for an adapter is taken out once.
    begin = "+adapter.init_lora_weights=pissa"
    fg.launch(*WORDS, "+adapter=lora", begin, "main.max_steps=1", "hydra.run.dir=taken")
    said_of = [metrics(Path(run))[0]["logps/chosen"] for run in ("adapted", "taken")]
    assert said_of[0] == pytest.approx(said_of[1], rel=1e-5)

    for option in (
        "debug=fast",
        "debug=limit",
        "debug=profile",
        "debug=overfit",
        "callback=ema",
        "tracker=csv",
    ):
        with pytest.raises(
            ForgatherError, match="so this has no effect: its settings stand in main"
        ):
            fg.launch(*WORDS, f"+{option}", "hydra.run.dir=refused")

    told = r"main\.label_smothing: trl's DPOConfig takes no 'label_smothing'\n.*label_smoothing"
    with pytest.raises(ForgatherError, match=told):
        fg.launch(*WORDS, "+main.label_smothing=0.1", "hydra.run.dir=refused")

    Path("pairs.jsonl").write_text('{"prompt": "x", "chosen": "y"}\n')
    with pytest.raises(ForgatherError, match=r"pairs\.jsonl:1: no rejected; it has prompt, chosen"):
        fg.launch(*WORDS, "hydra.run.dir=refused")
