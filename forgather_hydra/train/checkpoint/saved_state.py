"""What a checkpoint holds: the files, and how they are written and restored."""

from __future__ import annotations

import io
import json
import logging
import pickle
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from forgather_hydra.rundir.files import exact, from_exact
from forgather_hydra.rundir.numbers import plain
from forgather_hydra.train.checkpoint.directory import rotate, write_checkpoint
from forgather_hydra.train.checkpoint.rng import capture_rng, restore_rng
from forgather_hydra.train.checkpoint.tensor_files import (
    StoredTensors,
    file_names,
    index_file,
    index_text,
    split,
    write_file,
)
from forgather_hydra.train.checkpoint.weights import (
    MODEL,
    checksum,
    load_weights,
    named_weights,
    weights_elsewhere,
)
from forgather_hydra.train.optim.resume import advance, resume_schedule
from forgather_hydra.train.optim.state import (
    NamedState,
    load_named_state,
    merge_values,
    named_state,
)
from forgather_hydra.train.parallel.base import Group, Strategy
from forgather_hydra.train.parallel.processes import together
from forgather_hydra.train.state import TrainerState, set_length

if TYPE_CHECKING:
    from forgather_hydra.train.trainer import Trainer

logger = logging.getLogger(__name__)

OPTIMIZER = "optimizer"
OPTIMIZER_VALUES = "optimizer.pt"
SCHEDULER = "scheduler.pt"
STATE = "trainer_state.json"


class Share(NamedTuple):
    """What one process writes of a checkpoint: tensors by file and name, and other files whole."""

    tensors: dict[str, dict[str, torch.Tensor]]
    files: dict[str, bytes]
    aliases: dict[str, str]

    def write(self, directory: Path) -> Iterator[str]:
        """Writes all files; gives the name of each that is written."""
        for name, tensors in self.tensors.items():
            write_file(directory / name, tensors, self.aliases)
            yield name
        for name, content in self.files.items():
            (directory / name).write_bytes(content)
            yield name


def save(trainer: Trainer) -> None:
    """Writes a checkpoint of this step and deletes those beyond the limit.

    With `async_save` it only copies the tensors before it returns, and the rest happens in the
    background.

    Raises:
        OSError: if this checkpoint, or the one before it in the background, cannot be written.
    """
    begin = time.perf_counter()
    args, step, best = trainer.args, trainer.state.global_step, trainer.state.best_model_checkpoint
    writer, strategy = trainer.background, trainer.strategy
    together(strategy, writer.wait)
    share = collect(trainer)
    waited = ""

    def write(group: Group) -> None:
        path = write_checkpoint(args.checkpoint_dir, step, share.write, group)
        if group.rank == 0:
            rotate(args.checkpoint_dir, path, args.save_total_limit, best)
            seconds = time.perf_counter() - begin
            logger.info("%s is complete after %.3f s%s", path.name, seconds, waited)

    if args.async_save:
        share = share._replace(tensors=writer.copy(share.tensors))
        waited = f", for {time.perf_counter() - begin:.3f} s of which training waited"
        writer.start(lambda: write(strategy.background))
    else:
        write(strategy)
    trainer.save_seconds += time.perf_counter() - begin


def collect(trainer: Trainer) -> Share:
    """This process's share of all that a resumed run needs to continue as if it had not stopped.

    Its tensors are those of the run, not copies. Every process takes part.
    """
    strategy, model = trainer.strategy, trainer.model
    weights, aliases = named_weights(model)
    aliases |= strategy.aliases
    elsewhere = [weights.pop(name) for name in weights_elsewhere(model) & weights.keys()]
    sum_elsewhere = checksum(elsewhere, strategy) if elsewhere else None
    optimizer = named_state(trainer.optimizer, strategy, trainer.configured)
    tensors, files = _share_out(MODEL, strategy.tensors_to_save(weights), strategy)
    more_tensors, index = _share_out(
        OPTIMIZER, strategy.tensors_to_save(optimizer.tensors), strategy
    )
    values = merge_values(strategy.gather(optimizer.values))
    files = {**files, **index, _rng_file(strategy.rank): _pickled(capture_rng())}
    if strategy.rank == 0:
        files[OPTIMIZER_VALUES] = _pickled(values)
        files[SCHEDULER] = _pickled(trainer.lr_scheduler.state_dict())
        alpha = getattr(model, "adapter_alpha", None)
        content = _plain_state(trainer) | {"sum_elsewhere": sum_elsewhere, "adapter_alpha": alpha}
        text = json.dumps(exact(content), default=_exact_plain, indent=2, allow_nan=False)
        files[STATE] = text.encode()
    return Share(tensors | more_tensors, files, aliases)


def _exact_plain(value: Any) -> Any:
    return exact(plain(value))


def _plain_state(trainer: Trainer) -> dict[str, Any]:
    return {
        "state": asdict(trainer.state),
        "sampler": trainer.sampler.state_dict(),
        "plan": trainer.plan.state_dict(),
        "meter": trainer.meter.state_dict(trainer.state.global_step),
        "guard": trainer.guard.state_dict(),
        "callbacks": trainer.callbacks.state_dict(),
        "arguments": trainer.args.to_dict(),
        "world_size": trainer.strategy.world_size,
        "torch": torch.__version__,
    }


def _share_out(
    stem: str, mine: Mapping[str, torch.Tensor], strategy: Strategy
) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, bytes]]:
    """Files for this process's tensors, named together with those of the others; and the index,
    in the first process, if there are several.
    """
    parts = split(mine)
    sizes = strategy.gather([{n: t.nbytes for n, t in part.items()} for part in parts])
    if not any(sizes):  # an optimizer without state
        parts, sizes = [{}] if strategy.rank == 0 else [], [[{}]]
    everything = [size for of_process in sizes for size in of_process]
    names = file_names(stem, len(everything))
    first = sum(map(len, sizes[: strategy.rank]))
    tensors = dict(zip(names[first:], parts, strict=False))
    if len(names) == 1 or strategy.rank > 0:
        return tensors, {}
    return tensors, {
        index_file(stem): index_text(dict(zip(names, everything, strict=True))).encode()
    }


def restore_progress(trainer: Trainer, directory: Path) -> None:
    """State, place in the data, and plan. Comes first: optimizer and schedule are made for a run of
    that length.

    Raises:
        ValueError: if the checkpoint is of another training set.
    """
    content = _content(directory)
    args, sampler = trainer.args, trainer.sampler
    state = TrainerState(**content["state"])
    former_steps = state.max_steps
    for name in _OF_THE_PRESENT_RUN:
        setattr(state, name, getattr(trainer.state, name))
    trainer.state = state
    sampler.load_state_dict(content["sampler"])
    # The first checkpoints have no plan: their batches could not change.
    plan = content.get("plan") or trainer.plan.unchanged(sampler.epoch)
    is_same_plan = trainer.plan.resume(
        plan, state.global_step, sampler, args.gradient_accumulation_steps
    )
    lengths = ("max_steps", "num_train_epochs")
    if is_same_plan and all(content["arguments"][n] == getattr(args, n) for n in lengths):
        state.max_steps = former_steps
    else:
        set_length(state, args, trainer.plan)


def _content(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = from_exact(
        json.loads((directory / STATE).read_text(encoding="utf-8"))
    )
    return content


def restore_state(trainer: Trainer, directory: Path) -> None:
    """Puts all else back into a prepared trainer, except for the random number generators.

    Raises:
        ValueError: if the checkpoint is of another model, optimizer or training set.
    """
    strategy, model = trainer.strategy, trainer.model
    aliases = load_weights(model, directory, strategy)
    saved = NamedState(StoredTensors(directory, OPTIMIZER), _load(directory / OPTIMIZER_VALUES))
    content = _content(directory)
    _check_elsewhere(model, directory, content.get("sum_elsewhere"), strategy)
    former, alpha = content.get("adapter_alpha"), getattr(model, "adapter_alpha", None)
    if former not in (None, alpha):
        raise ValueError(
            f"{directory} is of an adapter with alpha={former}, which is {alpha} now, so that what "
            "was learned would count otherwise: put it back, or begin a new run"
        )
    schedule = _load(directory / SCHEDULER)
    rates = advance(trainer.lr_scheduler, schedule)
    changed = load_named_state(
        trainer.optimizer,
        strategy,
        saved,
        aliases,
        strategy.shard_of,
        strategy.owns,
        trainer.configured,
    )
    if changed:
        logger.warning("the optimizer goes on with other settings: %s", changed)
    is_changed = bool(changed) or content["state"]["max_steps"] != trainer.state.max_steps
    resume_schedule(trainer.lr_scheduler, trainer.optimizer, schedule, rates, is_changed)
    trainer.meter.load_state_dict(content["meter"])
    trainer.guard.load_state_dict(content["guard"])
    trainer.callbacks.load_state_dict(content["callbacks"])


def _check_elsewhere(
    model: torch.nn.Module, directory: Path, expected: int | None, strategy: Strategy
) -> None:
    """Refuse to go on with other weights than those that the checkpoint left out."""
    if expected is None:
        return
    stored = StoredTensors(directory, MODEL)
    weights = named_weights(model)[0]
    names = weights_elsewhere(model) & weights.keys() - stored.keys()
    if checksum([weights[name] for name in names], strategy) != expected:
        raise ValueError(
            f"the weights that are not trained are others than when {directory} was written: the "
            "model that the adapter is of has been changed; put it back, or begin a new run"
        )


# How far to go, how often to log, and which process this is.
_OF_THE_PRESENT_RUN = (
    "max_steps",
    "num_train_epochs",
    "logging_steps",
    "eval_steps",
    "save_steps",
    "train_batch_size",
    "is_local_process_zero",
    "is_world_process_zero",
)


def restore_random_numbers(directory: Path, rank: int) -> None:
    """Sets the generators as they were; to be called last, right before the first step.

    A process more than the checkpoint was written by keeps its fresh ones.
    """
    if rank == 0 or (directory / _rng_file(rank)).exists():
        restore_rng(_load(directory / _rng_file(rank)))


def _rng_file(rank: int) -> str:
    return f"rng-{rank}.pt"


def _pickled(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def _load(path: Path) -> Any:
    """Reads tensors and plain values; onto the CPU, from where they are copied to their owners."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds Python objects besides tensors and numbers, which is not safe to load: "
            "keep the state of the optimizer and of the schedule to tensors and plain values"
        ) from error
