"""The columns of what is said about jobs: in tables, in ``results.csv``, and on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

    from forgather_hydra.report.results import JobResult

Of = TypeVar("Of")


@dataclass(frozen=True)
class Column(Generic[Of]):
    """A column.

    Attributes:
        heading: its name, in which ``{metric}`` stands for what jobs are ranked by.
        value: of a row; None where there is none.
        look: ``number``, or ``words`` for what may be too long for one line.
        shown: the value as people read it.
    """

    heading: str
    value: Callable[[Of], Any]
    look: str = ""
    shown: Callable[[Any], str] = str

    def title(self, metric: str) -> str:
        """The heading where jobs are ranked by a metric."""
        return self.heading.format(metric=metric)

    def text(self, row: Of) -> str:
        """The cell of a row as people read it."""
        value = self.value(row)
        return "" if value is None else self.shown(value)


@dataclass(frozen=True)
class Row:
    """A job in a table of results.

    Attributes:
        result: how it went.
        words: by which of its overrides it differs from the others.
        color: of its curves.
        is_best: whether it has won.
    """

    result: JobResult
    words: str
    color: str = ""
    is_best: bool = False


JOB = Column[Row]("job", lambda row: row.result.number, "number")
OVERRIDES = Column[Row]("overrides", lambda row: row.words, "words")
METRIC = Column[Row]("{metric}", lambda row: row.result.value, "number", "{:.6g}".format)
STATUS = Column[Row]("status", lambda row: row.result.status)
DIRECTORY = Column[Row]("directory", lambda row: row.result.directory, "words")
ERROR = Column[Row]("error", lambda row: row.result.error)

TABLE = (JOB, OVERRIDES, METRIC, STATUS, DIRECTORY)
CSV = (JOB, STATUS, METRIC, OVERRIDES, DIRECTORY, ERROR)  # with a column for each overridden key


def table_of(
    columns: Sequence[Column[Of]],
    rows: Iterable[Of],
    metric: str = "",
    style: Callable[[Of], str] = lambda row: "",
    folds: bool = True,
) -> Table:
    """A table for the terminal.

    Args:
        columns: from left to right.
        rows: from top to bottom.
        metric: what jobs are ranked by.
        style: of a row, in rich's words.
        folds: give long cells more lines, rather than cut them.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False)
    for place, column in enumerate(columns):
        is_long = column.look == "words"
        made.add_column(
            Text(column.title(metric)),
            justify="right" if column.look == "number" and place else "left",
            overflow="fold" if is_long and folds else "ellipsis",
            no_wrap=is_long and not folds,
        )
    for row in rows:
        made.add_row(*(Text(column.text(row)) for column in columns), style=style(row))
    return made
