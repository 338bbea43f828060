"""A short run beside a script on transformers' Trainer; a second local job; a checkpoint's load.

python tests/bench/bench_runs.py [--rounds 5] [--only run,job,checkpoint]

`run`: whole processes, interleaved, processor time and peak memory: one step of
`+experiment=stories`, its data cached, and a script that takes the same step with a Llama of
transformers of that shape, evaluates before and after, saves a checkpoint and the model, writes
TensorBoard's files and some text. `job`: the second of two jobs of the local launcher, from its
start to its first step, against the same run in a fresh process. `checkpoint`: see
`bench_checkpoint.py`, whose last rows are loads, in times of copying the same tensors.
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
from pathlib import Path

import bench_checkpoint

ONE_STEP = ("+experiment=stories", "trainer.args.max_steps=1")
PEER = """
import sys

import numpy
import torch
from transformers import (
    AutoTokenizer, LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments, set_seed
)

folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder + "/tokenizer")


class Rows(torch.utils.data.Dataset):
    def __init__(self, split):
        self.rows = numpy.load(f"{folder}/{split}.npy", mmap_mode="r")

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = torch.from_numpy(self.rows[index].astype("int64"))
        return {"input_ids": row, "labels": row}


set_seed(42)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=512, hidden_size=64, intermediate_size=176, num_hidden_layers=2,
    num_attention_heads=4, tie_word_embeddings=True, pad_token_id=0, bos_token_id=1,
    eos_token_id=2,
))
trainer = Trainer(
    model,
    TrainingArguments(
        folder + "/out", max_steps=1, per_device_train_batch_size=8, per_device_eval_batch_size=16,
        lr_scheduler_type="cosine", warmup_steps=0.1, logging_steps=1, eval_strategy="steps",
        eval_steps=1, eval_on_start=True, save_steps=1, report_to="tensorboard", use_cpu=True,
        dataloader_pin_memory=False,
    ),
    train_dataset=Rows("train"), eval_dataset=Rows("eval"), processing_class=tokenizer,
)
trainer.train()
trainer.save_model(folder + "/model")
prompt = tokenizer("Once upon a time", return_tensors="pt", return_token_type_ids=False)
print(tokenizer.decode(model.generate(**prompt, max_new_tokens=40, do_sample=True)[0]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="run,job,checkpoint")
    options = parser.parse_args()
    parts = options.only.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "run" in parts:
            compare_runs(folder, options.rounds)
        if "job" in parts:
            time_second_job(folder, options.rounds)
    if "checkpoint" in parts:
        bench_checkpoint.main(32.5, options.rounds)  # 390 MB with the optimizer's state


def compare_runs(folder: Path, rounds: int) -> None:
    (folder / "peer.py").write_text(PEER)
    commands = {
        "forgather": ["-m", "forgather_hydra", *ONE_STEP],
        "transformers": [str(folder / "peer.py"), str(folder)],
    }
    data_of_peer(folder)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):  # of which the first fills caches
        for name, words in commands.items():
            own = [f"hydra.run.dir=run-{number}"] if name == "forgather" else []
            found[name].append(measured(folder, *words, *own))
    for name, figures in found.items():
        seconds, mib = (statistics.median(column) for column in zip(*figures[1:], strict=True))
        print(f"one step, {name:14} {seconds:6.2f} s {mib:6.0f} MiB")
    pairs = list(zip(found["forgather"][1:], found["transformers"][1:], strict=True))
    time_ratio, memory_ratio = (
        statistics.median(ours[column] / theirs[column] for ours, theirs in pairs)
        for column in (0, 1)
    )
    print(f"one step: {time_ratio:.2f} of the time, {memory_ratio:.2f} of the memory")


def data_of_peer(folder: Path) -> None:
    """The rows and the tokenizer of the experiment, as files."""
    code = (
        "import numpy, sys, forgather_hydra.data as d\n"
        "corpus = d.StoryCorpus()\n"
        "tokenizer = d.train_tokenizer(corpus, 512)\n"
        "tokenizer.save_pretrained('tokenizer')\n"
        "for split, most in (('train', None), ('eval', 160)):\n"
        "    rows = d.pack_blocks(corpus, split, tokenizer, 128)\n"
        "    kept = range(min(len(rows), most or len(rows)))\n"
        "    ids = [rows[i]['input_ids'] for i in kept]\n"
        "    numpy.save(split, numpy.stack(ids).astype('uint16'))\n"
    )
    measured(folder, "-c", code)


def measured(folder: Path, *words: str) -> tuple[float, float]:
    """Processor seconds and peak MiB of a Python process, which runs in `folder`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=environment, stdout=out, stderr=out
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)[:100]} failed:\n{log.read_text()[-3000:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def time_second_job(folder: Path, rounds: int) -> None:
    settings = [*ONE_STEP, "trainer.args.eval_strategy=no", "trainer.args.logging_steps=1"]
    seconds: dict[str, list[float]] = {"second job": [], "fresh process": []}
    for number in range(rounds + 1):
        sweep = folder / f"jobs-{number}"
        launcher = ["hydra/launcher=forgather_local", "hydra.launcher.max_parallel=1"]
        words = [*settings, *launcher, f"hydra.sweep.dir={sweep}", "trainer.args.seed=1,2"]
        measured(folder, "-m", "forgather_hydra", "-m", *words)
        place = max(
            sweep.rglob("place.json"), key=lambda path: json.loads(path.read_text())["time"]
        )
        started = json.loads(place.read_text())["time"]
        job = next(path for path in place.parents if (path / "runs").is_dir())
        seconds["second job"].append(first_step(job) - started)
        alone = folder / f"alone-{number}"
        started = time.time()
        measured(folder, "-m", "forgather_hydra", *settings, f"hydra.run.dir={alone}")
        seconds["fresh process"].append(first_step(alone) - started)
    for name, found in seconds.items():
        print(f"start to first step, {name:14} {statistics.median(found[1:]) * 1000:6.0f} ms")


def first_step(run: Path) -> float:
    """The time of day at which its first step was logged."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "runs"))
    events.Reload()
    return float(events.Scalars("train/loss")[0].wall_time)


if __name__ == "__main__":
    main()
