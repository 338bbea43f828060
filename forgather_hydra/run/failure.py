"""How a failure of a job is told: in a few lines where those say enough, else with all calls."""

from __future__ import annotations

import os
import traceback

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.record import RunIsBusy

EXIT_FAILED, EXIT_USAGE = 1, 2

# Failures of the world or of what was asked for, rather than of code: the message says enough.
_SAY_ENOUGH = (ForgatherError, OSError, FloatingPointError, MemoryError, RunIsBusy, ValueError)


def says_enough(error: BaseException) -> bool:
    """Whether the user can do without the calls that led to an error."""
    return isinstance(error, _SAY_ENOUGH) and not wants_traceback()


def message_of(error: BaseException) -> str:
    """What the user reads about an error."""
    if not says_enough(error):
        return "".join(traceback.format_exception(error)).rstrip()
    return "\n  ".join([f"error: {error}", *_notes(error)])


def exit_code(error: BaseException) -> int:
    """2 if something was asked for that cannot work, else 1."""
    return EXIT_USAGE if isinstance(error, (ForgatherError, ValueError)) else EXIT_FAILED


def wants_traceback() -> bool:
    """Whether the user has asked for all calls, as Hydra has it."""
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


def _notes(error: BaseException) -> list[str]:
    """What was noted about an error on its way, and for one of any library where it comes from."""
    notes = list(getattr(error, "__notes__", []))
    if isinstance(error, ValueError) and not isinstance(error, ForgatherError):
        last = traceback.extract_tb(error.__traceback__)[-1]
        notes.append(f"raised at {last.filename}:{last.lineno}; HYDRA_FULL_ERROR=1 shows all calls")
    return notes
