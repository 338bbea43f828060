"""What our own command line adds to composition: hints, saved overrides, early checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from forgather_hydra.config.composition import COMMAND_LINE
from forgather_hydra.config.given import hydra_overrides, task_overrides
from forgather_hydra.config.settle import FAILURES, Settling
from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.names import HYDRA

# The plugins of our command line, by the override that chooses one, and their groups.
OWN_OVERRIDES = {
    "hydra/sweeper='forgather'": "hydra/sweeper",
    "hydra/launcher='forgather_local'": "hydra/launcher",
}


class UsageExit(BaseException):
    """Carries an error past Hydra's own reporting to our command line.

    Args:
        error: a `ForgatherError` if the configuration is wrong; jobs may also have failed.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def command_line() -> Iterator[None]:
    """While this is open, compositions belong to our command line, not to another application."""
    token = COMMAND_LINE.set(True)
    try:
        yield
    finally:
        COMMAND_LINE.reset(token)


def settled(settling: Settling, is_master: bool) -> DictConfig:
    """Compose, and turn what Hydra and OmegaConf raise into one error with a hint.

    Raises:
        UsageExit: the configuration cannot be composed.
    """
    from forgather_hydra.config.hints import misspelt_group, no_option, told
    from forgather_hydra.config.plain import fault_below

    if wrong := no_option(settling):
        raise UsageExit(wrong)
    try:
        cfg = settling.run(is_master)
    except FAILURES as error:
        raise UsageExit(told(error, settling)) from error
    except ValueError as error:  # of a file that is not UTF-8, or a number that is too long
        if fault := fault_below(settling.folders, settling.overrides):
            raise UsageExit(fault) from error
        raise
    if wrong := misspelt_group(settling):
        raise UsageExit(wrong)
    return cfg


def with_saved_overrides(overrides: list[str]) -> list[str]:
    """The overrides, after those that ``resume=DIR`` or ``rerun=DIR`` stands for.

    Raises:
        UsageExit: the directory is not that of a run.
    """
    if (folder := _run_folder("resume", overrides)) is not None:
        saved = [*_saved(folder, "hydra", "searchpath"), *_saved(folder, "task")]
        return _changed(saved, overrides)
    if (folder := _run_folder("rerun", overrides)) is not None:
        from forgather_hydra.config.saved_run import rerun_overrides

        given = {*map(_key, overrides)}
        others = [o for o in overrides if _key(o) != "rerun"]
        try:
            saved = rerun_overrides(folder, given)
        except ForgatherError as error:
            raise UsageExit(error) from error
        return [o for o in saved if _key(o) not in given] + others
    return overrides


def _changed(saved: list[str], given: list[str]) -> list[str]:
    """The overrides of a run, and after them others that may change them.

    To change what the run has added is to add something else in its place.
    """
    keys = {*map(_key, given), "resume"}
    added = {_key(o): o[: len(o) - len(o.lstrip("+"))] for o in saved if o.startswith("+")}
    changes = [o if o[0] in "+~" else added.get(_key(o), "") + o for o in given]
    return [o for o in saved if _key(o) not in keys] + changes


def _saved(folder: Path, kind: str, word: str = "") -> list[str]:
    """The ``hydra`` or ``task`` overrides that a run was started with, if `word` is in them."""
    path = folder / HYDRA / "hydra.yaml"
    try:
        saved: Any = OmegaConf.load(path)
        overrides = task_overrides(saved.hydra) if kind == "task" else hydra_overrides(saved.hydra)
    except (OSError, ValueError, YAMLError, AttributeError, TypeError, OmegaConfBaseException) as e:
        hint = f"repeat the command of the run with hydra.run.dir={folder} resume=auto"
        told = ForgatherError("bad_override", f"{path} is no record of a run", hint=hint)
        raise UsageExit(told) from e
    return [override for override in overrides if word in override]


def _run_folder(key: str, overrides: list[str]) -> Path | None:
    """The run directory that an override names, if any."""
    chosen = [o.partition("=")[2].strip("'\"") for o in overrides if _key(o) == key]
    if not chosen or chosen[-1] in ("", "auto", "null", "true", "false"):
        return None
    folder = Path(chosen[-1])
    if not (folder / HYDRA / "hydra.yaml").is_file():
        problem = "holds no run (no .hydra folder)" if folder.is_dir() else "does not exist"
        hint = "name a run directory such as outputs/DATE/TIME"
        raise UsageExit(
            ForgatherError("bad_override", f"{key}={folder}: the directory {problem}", hint=hint)
        )
    return folder


def with_own_plugins(overrides: list[str], defaults_list: Callable[[], Any]) -> list[str]:
    """The overrides, with our sweeper and launcher where nothing has chosen others.

    In the primary config they would win over what the config of a sweep chooses. They are quoted,
    by which they differ from what was typed: an experiment of a sweep may choose others.
    """
    try:
        chosen = defaults_list().overrides.known_choices
    except (*FAILURES, ValueError):  # told when the configuration is composed
        return overrides
    given = {*map(_key, overrides)}
    ours = [
        own
        for own, group in OWN_OVERRIDES.items()
        if group not in given and chosen.get(group) == "basic"
    ]
    return [*overrides, *ours]


def check_if_asked(job: DictConfig, is_swept: bool = False) -> None:
    """On our command line, check a job before any is launched."""
    if COMMAND_LINE.get():
        from forgather_hydra.config.check import check_job

        try:
            check_job(job, is_swept)
        except ForgatherError as error:
            raise UsageExit(error) from error


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
