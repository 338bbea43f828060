"""``python -m forgather_hydra.rundir.reference``: the page about run directories, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from forgather_hydra.rundir.names import ENTRIES, LAUNCH, Entry
from forgather_hydra.rundir.states import MEANINGS, State

_HEAD = """\
# The directory of a run, and of a sweep

<!-- Made by `python -m forgather_hydra.rundir.reference`; a test compares. -->

Every file, field and state. In Python:

```python
import forgather_hydra as fg

run = fg.RunDirectory("outputs/2026-11-25/16-22-07")
run.state()  # the one word for it, weighed from all its files
run.record  # run.json
run.heartbeat  # status.json, or None
run.result  # what the job returned
run.metrics()  # the records of metrics.jsonl
run.command("stop")

sweep = fg.SweepDirectory("multirun/2026-11-25/16-22-07")
sweep.jobs()  # number, overrides and run of each
sweep.results()
```

A file that is empty, cut, no UTF-8 or of another shape counts as not being there. JSON is strict:
a number that is not finite is `null`. (`trainer_state.json` of a checkpoint, which is read again,
has the words `NaN`, `Infinity` and `-Infinity`.)
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_states(), *_files(), *_fields()])


def _states() -> Iterator[str]:
    yield "## States\n\nIn the order in which tables rank jobs.\n"
    yield "| | | over | failed |\n| --- | --- | --- | --- |"
    for state in State:
        marks = ("yes" if mark else "" for mark in (state.is_over, state.has_failed))
        yield f"| `{state}` | {MEANINGS[state]} | {' | '.join(marks)} |"
    yield ""


def _files() -> Iterator[str]:
    for place, entries in groupby(sorted(ENTRIES, key=_order), lambda entry: entry.place):
        yield f"## Files {place}\n\n| | |\n| --- | --- |"
        for entry in entries:
            yield f"| `{entry.name}` | {entry.meaning} |"
        yield ""


def _order(entry: Entry) -> int:
    return [each.place for each in ENTRIES].index(entry.place)


def _fields() -> Iterator[str]:
    yield "## Fields"
    for entry in ENTRIES:
        if entry.fields:
            yield f"\n### `{_path(entry)}`\n\n| | |\n| --- | --- |"
            yield from (f"| `{name}` | {meaning} |" for name, meaning in entry.fields.items())
    yield ""


def _path(entry: Entry) -> str:
    return f"{LAUNCH}/{entry.name}" if LAUNCH in entry.place else entry.name


if __name__ == "__main__":
    print(reference(), end="")
