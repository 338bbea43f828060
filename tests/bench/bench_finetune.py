"""Fine-tuning on conversations, from the command to what is learned, against trl and transformers.

    python tests/bench/bench_finetune.py adapter    # LoRA of a 30M model, against trl's SFTTrainer
    python tests/bench/bench_finetune.py start      # to the first step, against transformers' own
    python tests/bench/bench_finetune.py reading    # 50 MB of jsonl to rows of tokens, of datasets

Each way is a fresh process, in turns; figures are medians over rounds of the ratio to the peer's
process of the same round. `--folder` keeps the model, with its code, and the data for another time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LENGTH, BATCH, RATE = 256, 4, 1e-3
Figures = dict[str, float]


# The ways, each in a process of its own.


def ours(folder: Path, *words: str) -> list[str]:
    """A command that fine-tunes, and tells of each step."""
    arguments = (
        *("save_strategy=no", "eval_strategy=no", "eval_on_start=false"),
        "logging_steps=1",
        *("lr_scheduler_type=constant", "warmup_steps=0", f"per_device_train_batch_size={BATCH}"),
    )
    return [
        *(sys.executable, "-m", "forgather_hydra", "+experiment=finetune", *words),
        *(f"model.path={folder}/base", f"data.path={folder}/chats.jsonl"),
        *(f"data.block_size={LENGTH}", f"optimizer.lr={RATE}", "optimizer.weight_decay=0"),
        *(f"trainer.args.{argument}" for argument in arguments),
        "++trainer.args.max_eval_steps=1",
        *(f"hydra.run.dir={tempfile.mkdtemp()}", "main.max_new_tokens=1"),
        *(
            "+callbacks.told._target_=bench_finetune.our_callback",
            "+callbacks.told._partial_=false",
        ),
    ]


def our_callback() -> Any:
    from forgather_hydra.train import TrainerCallback

    return _telling(TrainerCallback)


def their_callback() -> Any:
    from transformers import TrainerCallback

    return _telling(TrainerCallback)


def _telling(kind: type) -> Any:
    """A callback that prints when each step ended, the peak of memory in MiB, what of the processor
    this process has had, and the loss.
    """

    class Telling(kind):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            print("TICK step", time.time(), peak(), time.process_time(), flush=True)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any, **kwargs: Any) -> None:
            if "loss" in logs:
                print("TICK loss", logs["loss"], flush=True)
                seen = logs.get("num_tokens") or state.num_input_tokens_seen
                print("TICK tokens", seen / state.global_step, flush=True)

    return Telling()


def peak() -> float:
    """Most memory that this process has had, in MiB; `getrusage` counts that of its parent too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder / "base/model", trust_remote_code=True)


def trl(folder: Path, steps: int) -> None:
    """A script with trl, with the settings of `ours`."""
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    model = AutoModelForCausalLM.from_pretrained(folder / "base/model", trust_remote_code=True)
    adapter = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
    config = SFTConfig(
        tempfile.mkdtemp(), max_steps=steps, per_device_train_batch_size=BATCH, max_length=LENGTH,
        packing=True, assistant_only_loss=True, gradient_checkpointing=False, bf16=False,
        use_cpu=True, learning_rate=RATE, lr_scheduler_type="constant", optim="adamw_torch_fused",
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
    )  # fmt: skip
    SFTTrainer(
        model,
        config,
        train_dataset=load_dataset("json", data_files=f"{folder}/chats.jsonl", split="train"),
        processing_class=_tokenizer(folder),
        peft_config=adapter,
        callbacks=[their_callback()],
    ).train()


def hugging_face(folder: Path, steps: int) -> None:
    """A script with the Trainer of transformers: conversations a row each, learned whole."""
    from datasets import load_dataset
    from transformers import (
        AutoModelForCausalLM,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )

    model = AutoModelForCausalLM.from_pretrained(folder / "base/model", trust_remote_code=True)
    tokenizer = _tokenizer(folder)
    tokenizer.pad_token = tokenizer.eos_token
    rows = load_dataset("json", data_files=f"{folder}/chats.jsonl", split="train")

    def tokens(row: dict[str, Any]) -> Any:
        options = {"return_dict": True, "truncation": True, "max_length": LENGTH}
        return tokenizer.apply_chat_template(row["messages"], **options)

    arguments = TrainingArguments(
        tempfile.mkdtemp(), max_steps=steps, per_device_train_batch_size=BATCH, use_cpu=True,
        learning_rate=RATE, lr_scheduler_type="constant", save_strategy="no", report_to="none",
        disable_tqdm=True,
    )  # fmt: skip
    Trainer(
        model,
        arguments,
        train_dataset=rows.map(tokens, remove_columns=rows.column_names),
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        callbacks=[their_callback()],
    ).train()


def packed(folder: Path, steps: int) -> None:
    from forgather_hydra.data import FilesCorpus, pack_blocks
    from forgather_hydra.model import load_tokenizer

    tokenizer = load_tokenizer(folder / "base")
    corpus = FilesCorpus(folder / "texts.jsonl", eval_fraction=0)
    pack_blocks(corpus, "train", tokenizer, LENGTH, cache_dir=tempfile.mkdtemp())
    print("TICK step", time.time(), peak(), time.process_time(), flush=True)


def two_maps(folder: Path, steps: int) -> None:
    from itertools import chain

    from datasets import load_dataset

    tokenizer = _tokenizer(folder)
    rows = load_dataset(
        "json",
        data_files=f"{folder}/texts.jsonl",
        split="train",
        cache_dir=tempfile.mkdtemp(),
    )

    def tokenize(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        ids = tokenizer(batch["text"])["input_ids"]
        return {"input_ids": [[*row, tokenizer.eos_token_id] for row in ids]}

    def group(batch: dict[str, list[list[int]]]) -> dict[str, list[list[int]]]:
        ids = list(chain.from_iterable(batch["input_ids"]))
        return {"input_ids": [ids[i : i + LENGTH] for i in range(0, len(ids) - LENGTH, LENGTH)]}

    tokens = rows.map(tokenize, batched=True, remove_columns=["text"])
    tokens.map(group, batched=True)
    print("TICK step", time.time(), peak(), time.process_time(), flush=True)


WAYS: dict[str, Callable[[Path, int], None]] = {
    way.__name__: way for way in (trl, hugging_face, packed, two_maps)
}


# What is measured.


def measured(command: list[str]) -> Figures:
    """Seconds to the first step, of the processor too, and of each later one, tokens per second of
    a later one, the peak in MiB at the last, and the loss of the last five.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        begin = time.time()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=_environment()
        )
        status = process.wait()
        out.seek(0), errors.seek(0)
        if status or "TICK step" not in out.read():
            sys.exit(f"{' '.join(command)}\n{errors.read()[-2000:]}")
        out.seek(0)
        lines = [line.split()[1:] for line in out if line.startswith("TICK ")]
    times = [float(line[1]) for line in lines if line[0] == "step"]
    peaks = [float(line[2]) for line in lines if line[0] == "step"]
    losses = [float(line[1]) for line in lines if line[0] == "loss"]
    tokens = [float(line[1]) for line in lines if line[0] == "tokens"]
    steps = [after - before for before, after in pairwise(times)]
    busy = next(float(line[3]) for line in lines if line[0] == "step")
    figures = {"start": times[0] - begin, "busy": busy, "peak": peaks[-1]}
    if steps:
        figures["step"] = statistics.median(steps)
        figures["tokens/s"] = tokens[-1] / figures["step"] if tokens else 0.0
    return figures | ({"loss": statistics.mean(losses[-5:])} if losses else {})


def _environment() -> dict[str, str]:
    """Everything is read and tokenized anew, and nothing asked of the network."""
    caches = {name: tempfile.mkdtemp() for name in ("XDG_CACHE_HOME", "HF_HOME")}
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    return os.environ | caches | {"PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}


def commands(what: str, folder: Path, steps: int) -> tuple[list[str], list[str]]:
    """Ours, and the peer's."""
    limit = f"trainer.args.max_steps={steps}"
    mine, theirs = {
        "adapter": (ours(folder, "+adapter=lora", limit), "trl"),
        # Rows as the peer's, which has a conversation in each.
        "start": (ours(folder, limit, "data.packed=false"), "hugging_face"),
        "reading": ([sys.executable, __file__, "packed", "--folder", str(folder)], "two_maps"),
    }[what]
    options = ["--folder", str(folder), "--steps", str(steps)]
    return mine, [sys.executable, __file__, theirs, *options]


def prepare(folder: Path, what: str, megabytes: float) -> None:
    """A model of 30 million parameters that is hardly trained, conversations, and texts."""
    if not (folder / "base/model").is_dir():
        words = ["model=llama_30m", "data.tokenizer.vocab_size=8000", "trainer.args.max_steps=1"]
        words += ["trainer.args.per_device_train_batch_size=1", "trainer.args.max_eval_steps=1"]
        command = [sys.executable, "-m", "forgather_hydra", "+experiment=baseline", *words]
        subprocess.run([*command, f"hydra.run.dir={folder}/base"], check=True, stdout=2)
        command = [sys.executable, __file__, "conversing", "--folder", str(folder)]
        subprocess.run(command, check=True)
    from bench_data import text

    paragraphs = text(megabytes if what == "reading" else 1)
    if what == "reading":
        lines = (json.dumps({"text": paragraph}) for paragraph in paragraphs)
        (folder / "texts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    pairs = zip(paragraphs[::2], paragraphs[1::2], strict=False)
    turns = ([_said("user", a[:300]), _said("assistant", b[:300])] for a, b in pairs)
    chats = (json.dumps({"messages": messages}) for messages in turns)
    (folder / "chats.jsonl").write_text("\n".join(chats), encoding="utf-8")


def conversing(folder: Path, steps: int) -> None:
    """Gives the model's tokenizer the chat template, so that both sides find the same."""
    from forgather_hydra.model import load_pretrained, load_tokenizer

    tokenizer = load_tokenizer(folder / "base", "chatml")
    load_pretrained(folder / "base", tokenizer=tokenizer).save_pretrained(folder / "base/model")
    tokenizer.save_pretrained(folder / "base/model")


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["adapter", "start", "reading", "conversing", *WAYS])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--megabytes", type=float, default=50)
    options = parser.parse_args()
    if way := {**WAYS, "conversing": conversing}.get(options.what):
        return way(options.folder, options.steps)
    folder = (options.folder or Path(tempfile.mkdtemp())).resolve()
    folder.mkdir(exist_ok=True)
    prepare(folder, options.what, options.megabytes)
    pair = commands(options.what, folder, options.steps)
    rounds = [tuple(map(measured, pair)) for _ in range(options.rounds)]
    for key in (key for key in rounds[0][0] if key in rounds[0][1]):
        mine, theirs = ([each[side][key] for each in rounds] for side in (0, 1))
        if not all(theirs):
            continue
        ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        print(f"{key:8} ours {statistics.median(mine):8.3f}", end="")
        print(f"  peer {statistics.median(theirs):8.3f}  ours / peer {ratio:5.2f}")
    return None


if __name__ == "__main__":
    main()
