"""A model on the tasks of lm-eval, by its own harness."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.rundir.numbers import number

Metrics = dict[str, float]

_SEED = 1234  # of examples and sampled answers, as lm-eval has it


def evaluate_tasks(
    model: Any,
    tokenizer: Any,
    tasks: Sequence[str],
    *,
    batch_size: int = 8,
    limit: int | None = None,
    num_fewshot: int | None = None,
    apply_chat_template: bool = False,
) -> dict[str, Metrics]:
    """What lm-eval finds for a model.

    Args:
        model: a causal language model of transformers, or one that looks like it.
        tokenizer: that of the model.
        tasks: names of tasks and groups, which may fetch data, and files that describe some.
        batch_size: requests at a time.
        limit: so many documents of each task; None for all.
        num_fewshot: examples before each question; None for what the task says.
        apply_chat_template: whether questions are put as messages of a conversation.

    Returns:
        The metrics of each task and group, by its name, such as `acc` and `acc_stderr`.

    Raises:
        ForgatherError: `missing_extra`, where lm-eval is not installed; `unknown_task`, for a name
            that it does not know; `task_failed`, for a task that it cannot make.
    """
    require_harness()
    from lm_eval import evaluate
    from lm_eval.models.huggingface import HFLM
    from transformers import set_seed

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    loaded = _loaded(tasks)
    for task in loaded["tasks"].values():
        count = task.get_config("num_fewshot") if num_fewshot is None else num_fewshot
        task.set_config(key="num_fewshot", value=count or 0)
        task.set_fewshot_seed(seed=_SEED)
    set_seed(_SEED)
    was_training = model.training  # HFLM and what it calls put it into the mode of evaluation
    # Otherwise sums of bfloat16, in which long answers are equally likely and the first one wins.
    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size, softmax_dtype="float32")
    try:
        found: Any = evaluate(
            lm=lm,
            task_dict=loaded,
            limit=limit,
            apply_chat_template=apply_chat_template,
            bootstrap_iters=0,
            log_samples=False,
        )
    finally:
        model.train(was_training)
    return {name: _metrics(result) for name, result in found["results"].items()}


def require_harness() -> None:
    """Raises ForgatherError, `missing_extra`, where lm-eval is not installed."""
    if find_spec("lm_eval") is None:
        raise ForgatherError(
            "missing_extra",
            "tasks are evaluated by lm-eval, which is not installed",
            hint="pip install 'forgather_hydra[eval]'",
        )


def _loaded(tasks: Sequence[str]) -> Any:
    """The tasks and groups, with their data; those in files need no look at the thousands that
    lm-eval has.
    """
    from lm_eval.tasks import TaskManager

    names = [task for task in tasks if not _is_file(task)]
    manager = TaskManager(include_defaults=bool(names))
    for name in names:
        if name not in manager.task_index:
            hint = did_you_mean(name, manager.all_tasks) or "lm-eval ls tasks lists them"
            raise ForgatherError("unknown_task", f"lm-eval has no task {name}", hint=hint)
    try:
        return manager.load([*tasks])
    except Exception as error:  # of the hub, of datasets, or of the functions of a task
        message = f"{' '.join(tasks)}: what is asked cannot be loaded: {_first_line(error)}"
        raise ForgatherError("task_failed", message, hint=_hint(tasks, error)) from error


def _is_file(task: str) -> bool:
    """Whether a file is meant, which has to be there."""
    path = Path(task)
    if path.suffix in (".yaml", ".yml") and not path.is_file():
        raise ForgatherError("unknown_task", f"there is no file {path}", hint="name one, or a task")
    return path.is_file()


def _hint(tasks: Sequence[str], error: Exception) -> str:
    if isinstance(error, ConnectionError):
        return (
            "fetch it once where there is network, by the same command: it is in the cache then; "
            "or give task files with data on disk"
        )
    if not all(map(_is_file, tasks)):
        return "lm-eval ls tasks lists the tasks; a file with data on disk needs nothing of the hub"
    return "a task file says task, dataset_path, output_type, doc_to_text and doc_to_target"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _metrics(result: dict[str, Any]) -> Metrics:
    """The numbers of a result; those of another filter than `none` with its name."""
    found = {}
    for key, value in result.items():
        name, _, how = key.partition(",")
        if how and (known := number(value)) is not None:
            found[name if how == "none" else f"{name} ({how})"] = known
    return found
