"""The page for those who come from Hugging Face's trainer says what the code says.

`python tests/train/test_hugging_face_page.py` writes its tables anew.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import transformers

from forgather_hydra.train import Trainer, TrainingArguments
from forgather_hydra.train.arguments.names import advice
from forgather_hydra.train.hugging_face import EVENT, FOR_SCRIPTS, INSTEAD

PAGE = Path(__file__).parents[2] / "docs/how-to/hugging-face.md"
OVERRIDABLE = (
    "compute_loss", "create_optimizer", "create_scheduler", "create_optimizer_and_scheduler",
    "get_train_dataloader", "get_eval_dataloader", "get_test_dataloader",
)  # fmt: skip


def arguments() -> str:
    """A row for each argument of theirs, those in common together."""
    ours = {f.name for f in fields(TrainingArguments)}
    theirs = [f.name for f in fields(transformers.TrainingArguments)]
    same = ", ".join(f"`{name}`" for name in theirs if name in ours)
    rows = [f"| `{name}` | {advice(name, [])} |" for name in theirs if name not in ours]
    return "\n".join([f"The same: {same}.", "", "| argument | instead |", "| --- | --- |", *rows])


def methods() -> str:
    """A row for each public method of theirs."""
    names = [n for n, v in vars(transformers.Trainer).items() if callable(v) and n[0] != "_"]
    names += [name for name in INSTEAD if name[0] != "_" and name not in names]
    rows = []
    for name in names:
        same = "the same, and may be overridden" if name in OVERRIDABLE else "the same"
        if name in FOR_SCRIPTS:
            same = f"the same for a script; instead of overriding it, {FOR_SCRIPTS[name]}"
        said = same if hasattr(Trainer, name) else INSTEAD.get(name)
        rows += [f"| `{name}` | {said} |"] if said else []
    rows.append(f"| `on_step_end` and other events | {EVENT} |")
    return "\n".join(["| method | here |", "| --- | --- |", *rows])


TABLES = {"arguments": arguments, "methods": methods}


def with_tables(page: str) -> str:
    for name, made in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        page = pattern.sub((lambda text: lambda _: text)(f"{begin}\n{made()}\n{end}"), page)
    return page


def test_the_tables_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
