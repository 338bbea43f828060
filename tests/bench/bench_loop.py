"""What a training step costs beyond its arithmetic: this trainer beside a bare loop and its peers.

    python tests/bench/bench_loop.py --turns 60
    python tests/bench/bench_loop.py --impls bare,ours,bare --optimizer adamw
    python tests/bench/bench_loop.py --model 4m --turns 16 --inner 1

Every implementation trains the same model on the same rows, with fused AdamW, clipping, a linear
schedule and a log each ten steps, in a thread of one process; they take turns of `--inner` steps,
so that a busy machine slows all of them alike. The model is a near-empty one of a few thousand
parameters, or a Llama of 3.9 million. A figure is the median over turns of the processor time of a
turn divided by that of the first implementation's turn. `loss` at the end must be the same: nobody
does less. Lightning is not installed with this project, and takes part where it is asked for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial

import torch

VOCABULARY, WIDTH, LENGTH, RATE, LOG_EVERY = 64, 16, 8, 1e-3, 10


class Model(torch.nn.Module):
    """Two residual blocks of a few thousand parameters; loss of the next token."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = torch.nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.RMSNorm(WIDTH), torch.nn.Linear(WIDTH, 32), torch.nn.SiLU(),
                torch.nn.Linear(32, WIDTH),
            )
            for _ in range(2)
        )  # fmt: skip
        self.head = torch.nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = self.embedding(input_ids)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        logits = self.head(hidden)[:, :-1].reshape(-1, VOCABULARY)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels[:, 1:].reshape(-1))}


def llama() -> torch.nn.Module:
    """3.9 million parameters."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2000, hidden_size=256, intermediate_size=688, num_hidden_layers=4,
        num_attention_heads=4, tie_word_embeddings=True, use_cache=False,
    )  # fmt: skip
    return LlamaForCausalLM(config)


class Rows(torch.utils.data.Dataset):
    """`steps` batches of random rows."""

    def __init__(
        self, steps: int, batch: int = 1, vocabulary: int = VOCABULARY, length: int = LENGTH
    ) -> None:
        self.steps, self.batch = steps, batch
        generator = torch.Generator().manual_seed(1)
        self.rows = torch.randint(vocabulary, (steps * batch, length), generator=generator)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.rows[index], "labels": self.rows[index]}


MODELS = {"null": (Model, Rows), "4m": (llama, partial(Rows, batch=8, vocabulary=2000, length=256))}

Tick = Callable[[], None]


def adamw(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, fused=True)


def bare(model: Model, rows: Rows, tick: Tick, out: str, loader: bool = False) -> None:
    """The loop that people write by hand."""
    optimizer, parameters, steps = adamw(model), list(model.parameters()), rows.steps
    batches = iter(torch.utils.data.DataLoader(rows, batch_size=rows.batch)) if loader else None
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / steps)
        here = slice(step * rows.batch, (step + 1) * rows.batch)
        ids = next(batches)["input_ids"] if batches else rows.rows[here]
        loss = model(ids, labels=ids)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % LOG_EVERY == 0:
            loss.item()
        tick()


def ours(
    model: Model,
    rows: Rows,
    tick: Tick,
    out: str,
    optimizer: str = "arguments",
    trainer: str = "Trainer",
) -> None:
    from forgather_hydra import train
    from forgather_hydra.train import TrainerCallback, TrainingArguments

    class Ticking(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs) -> None:
            tick()

    factory = partial(torch.optim.AdamW, lr=RATE, weight_decay=0.0, fused=True)
    args = TrainingArguments(
        output_dir=out, max_steps=rows.steps, per_device_train_batch_size=rows.batch,
        learning_rate=RATE,
        max_grad_norm=1.0, logging_steps=LOG_EVERY, save_strategy="no", use_cpu=True, shuffle=False,
    )  # fmt: skip
    getattr(train, trainer)(
        args, model=model, train_dataset=rows, callbacks=[Ticking()],
        optimizer_factory=factory if optimizer == "adamw" else None,
    ).train()  # fmt: skip


def accelerate(model: Model, rows: Rows, tick: Tick, out: str) -> None:
    from accelerate import Accelerator
    from transformers import get_scheduler

    accelerator, optimizer = Accelerator(cpu=True), adamw(model)
    schedule = get_scheduler("linear", optimizer, 0, rows.steps)
    loader = torch.utils.data.DataLoader(rows, batch_size=rows.batch)
    prepared, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    for step, batch in enumerate(loader, 1):
        with accelerator.accumulate(prepared):
            loss = prepared(**batch)["loss"]
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(prepared.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if step % LOG_EVERY == 0:
            loss.item()
        tick()


def hugging_face(model: Model, rows: Rows, tick: Tick, out: str) -> None:
    import transformers

    class Ticking(transformers.TrainerCallback):
        def on_step_end(self, *args, **kwargs) -> None:
            tick()

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *args, **kwargs):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    args = transformers.TrainingArguments(
        output_dir=out, max_steps=rows.steps, per_device_train_batch_size=rows.batch,
        learning_rate=RATE,
        max_grad_norm=1.0, logging_steps=LOG_EVERY, save_strategy="no", use_cpu=True,
        report_to="none", optim="adamw_torch_fused", disable_tqdm=True,
    )  # fmt: skip
    trainer = InOrder(model=model, args=args, train_dataset=rows, callbacks=[Ticking()])
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()


def lightning(model: Model, rows: Rows, tick: Tick, out: str) -> None:
    """Not installed with this project."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch, index):
            loss = self.model(**batch)["loss"]
            if (index + 1) % LOG_EVERY == 0:
                loss.item()
            return loss

        def configure_optimizers(self):
            optimizer = adamw(self.model)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 1 - n / rows.steps)
            return [optimizer], [{"scheduler": schedule, "interval": "step"}]

        def on_train_batch_end(self, *args) -> None:
            tick()

    lightning.Trainer(
        max_steps=rows.steps, accelerator="cpu", gradient_clip_val=1.0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=out,
    ).fit(Module(), torch.utils.data.DataLoader(rows, batch_size=rows.batch))  # fmt: skip


IMPLEMENTATIONS = {
    "bare": bare,
    "bare-loader": partial(bare, loader=True),
    "ours": ours,
    "ours-accel": partial(ours, trainer="AccelTrainer"),
    "accelerate": accelerate,
    "hugging-face": hugging_face,
    "lightning": lightning,
}


class Turns:
    """Lets one thread run at a time, in a ring, for `inner` steps each, until it leaves."""

    def __init__(self, count: int, inner: int) -> None:
        self.inner = inner
        self.events = [threading.Event() for _ in range(count)]
        self.events[0].set()
        self.left: set[int] = set()
        self.times: list[list[float]] = [[] for _ in range(count)]
        self.steps = [0] * count
        self.began = [0.0] * count

    def begin(self, number: int) -> None:
        self.events[number].wait()
        self.began[number] = time.thread_time()

    def hand_on(self, number: int) -> None:
        self.events[number].clear()
        ring = [*range(number + 1, len(self.events)), *range(number + 1)]
        for following in ring:
            if following not in self.left:
                self.events[following].set()
                return

    def leave(self, number: int) -> None:
        self.left.add(number)
        self.hand_on(number)

    def tick(self, number: int) -> None:
        self.steps[number] += 1
        if self.steps[number] % self.inner == 0:
            self.times[number].append((time.thread_time() - self.began[number]) / self.inner)
            self.hand_on(number)
            self.begin(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--impls", default="bare,ours,ours-accel,bare-loader,accelerate,hugging-face,bare"
    )
    parser.add_argument("--model", default="null", choices=MODELS)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--inner", type=int, default=20)
    parser.add_argument("--optimizer", default="arguments", choices=["arguments", "adamw"])
    options = parser.parse_args()
    names = options.impls.split(",")
    runs = IMPLEMENTATIONS | {"ours": partial(ours, optimizer=options.optimizer)}
    turns, results = Turns(len(names), options.inner), {}

    def body(number: int, name: str) -> None:
        turns.begin(number)
        torch.set_num_threads(1)
        make_model, make_rows = MODELS[options.model]
        try:
            model, rows = make_model(), make_rows((options.turns + 3) * options.inner)
            with tempfile.TemporaryDirectory() as out:
                runs[name](model, rows, lambda: turns.tick(number), out)
            loss = model(rows.rows[:8], labels=rows.rows[:8])["loss"].item()
            results[number] = {"loss": round(loss, 4)}
        except Exception as error:  # the others go on without it
            results[number] = {"error": f"{type(error).__name__}: {error}"}
        finally:
            turns.leave(number)

    threads = [threading.Thread(target=body, args=pair) for pair in enumerate(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = turns.times[0][3:]
    for number, name in enumerate(names):
        row, mine = {"impl": name}, turns.times[number][3:]
        if first and mine:
            ratio = statistics.median(b / a for a, b in zip(first, mine, strict=False))
            row["step_us"] = round(1e6 * statistics.median(mine))
            row["times_bare"] = round(ratio, 3)
        print(json.dumps(row | results[number]))


if __name__ == "__main__":
    main()
