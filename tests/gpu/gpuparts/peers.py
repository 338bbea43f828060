"""The same training by the trainer, by a bare loop, by accelerate and by transformers' trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gpuparts.setting import Setting

RATE, LOG_EVERY = 1e-4, 10
Tick = Callable[[], None]


@dataclass
class Job:
    """A model, on its device and compiled or not; rows, of which each step takes `batch`."""

    setting: Setting
    model: Any
    rows: Any
    steps: int
    batch: int
    bf16: bool
    folder: Path


def adamw(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, fused=True)


def bare(job: Job, tick: Tick) -> None:
    """The loop that people write by hand, and write well."""
    model, device, optimizer = job.model, job.setting.device, adamw(job.model)
    parameters = list(model.parameters())
    ids = job.rows.ids.pin_memory() if job.setting.on_gpu else job.rows.ids
    for step in range(job.steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / job.steps)
        here = ids[step * job.batch : (step + 1) * job.batch].to(device, non_blocking=True)
        with torch.autocast(device, torch.bfloat16, enabled=job.bf16):
            loss = model(input_ids=here, labels=here, **job_options(model))["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % LOG_EVERY == 0:
            loss.item()
        tick()


def job_options(model: Any) -> dict[str, Any]:
    return {"use_cache": False} if hasattr(model, "config") else {}


def ours(job: Job, tick: Tick) -> None:
    from forgather_hydra.train import Trainer, TrainerCallback, TrainingArguments

    class Ticking(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs) -> None:  # type: ignore[no-untyped-def]
            tick()

    args = TrainingArguments(
        output_dir=str(job.folder / "ours"), max_steps=job.steps, learning_rate=RATE,
        per_device_train_batch_size=job.batch, max_grad_norm=1.0, logging_steps=LOG_EVERY,
        save_strategy="no", use_cpu=not job.setting.on_gpu, shuffle=False, bf16=job.bf16,
    )  # fmt: skip
    Trainer(args, model=job.model, train_dataset=job.rows, callbacks=[Ticking()]).train()


def accelerate(job: Job, tick: Tick) -> None:
    from accelerate import Accelerator
    from transformers import get_scheduler

    accelerator = Accelerator(
        cpu=not job.setting.on_gpu, mixed_precision="bf16" if job.bf16 else "no"
    )
    optimizer = adamw(job.model)
    schedule = get_scheduler("linear", optimizer, 0, job.steps)
    loader = torch.utils.data.DataLoader(job.rows, job.batch, pin_memory=job.setting.on_gpu)
    model, optimizer, loader, schedule = accelerator.prepare(job.model, optimizer, loader, schedule)
    for step, batch in enumerate(loader, 1):
        with accelerator.accumulate(model):
            loss = model(**batch, **job_options(job.model))["loss"]
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if step % LOG_EVERY == 0:
            loss.item()
        tick()
        if step == job.steps:
            break
    unpatch(job.model)


def hugging_face(job: Job, tick: Tick) -> None:
    import transformers

    class Ticking(transformers.TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            tick()

    args = transformers.TrainingArguments(
        output_dir=str(job.folder / "hf"), max_steps=job.steps, learning_rate=RATE,
        per_device_train_batch_size=job.batch, max_grad_norm=1.0, logging_steps=LOG_EVERY,
        save_strategy="no", use_cpu=not job.setting.on_gpu, report_to="none", bf16=job.bf16,
        optim="adamw_torch_fused", disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=job.model, args=args, train_dataset=job.rows, callbacks=[Ticking()]
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    unpatch(job.model)


def unpatch(model: Any) -> None:
    """Gives a model its own forward again, which accelerate has wrapped."""
    if "forward" in vars(model):
        del model.forward
        vars(model).pop("_original_forward", None)


IMPLEMENTATIONS: dict[str, Callable[[Job, Tick], None]] = {
    "bare": bare,
    "ours": ours,
    "accelerate": accelerate,
    "hf": hugging_face,
}
