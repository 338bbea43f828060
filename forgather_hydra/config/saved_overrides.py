"""The overrides of an earlier run, for which ``resume=DIR`` and ``rerun=DIR`` stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from forgather_hydra.config.given import hydra_overrides, key_of, task_overrides
from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.names import HYDRA, RECORD

# What is said of Hydra's own section about a run, rather than about how or where it is started.
_OF_THE_RUN = ("hydra.searchpath", "hydra.job.")


def with_saved_overrides(overrides: list[str], config_name: str | None) -> list[str]:
    """The overrides, after those that ``resume=DIR`` or ``rerun=DIR`` stands for.

    Args:
        overrides: as given.
        config_name: the primary config that they are to change.

    Raises:
        ForgatherError: the directory is not that of a run, or that of another config's.
    """
    if (folder := _run_folder("resume", overrides)) is not None:
        if "rerun" in map(key_of, overrides):
            message = "resume=DIR goes on with a run, and rerun=DIR repeats one"
            raise ForgatherError("bad_override", message, hint="leave one of them out")
        _refuse_another_directory(folder, overrides)
        _refuse_another_config(folder, config_name)
        of_hydra = [o for o in overrides_of(folder, "hydra") if key_of(o).startswith(_OF_THE_RUN)]
        saved = [*of_hydra, *overrides_of(folder, "task")]
        return _changed(saved, overrides)
    if (folder := _run_folder("rerun", overrides)) is not None:
        from forgather_hydra.config.saved_run import rerun_overrides

        given = {*map(key_of, overrides)}
        others = [o for o in overrides if key_of(o) != "rerun"]
        saved = rerun_overrides(folder, given)
        return [o for o in saved if key_of(o) not in given] + others
    return overrides


def _refuse_another_directory(folder: Path, overrides: list[str]) -> None:
    """A run goes on where it was; in another directory it would begin anew."""
    for override in overrides:
        place = override.partition("=")[2].strip("'\"")
        if key_of(override) == "hydra.run.dir" and Path(place).resolve() != folder.resolve():
            raise ForgatherError(
                "bad_override",
                f"{override}: the run of resume={folder} goes on in {folder}",
                hint=f"leave it out; rerun={folder} repeats the run in another directory",
            )


def _refuse_another_config(folder: Path, config_name: str | None) -> None:
    with _saved_hydra(folder) as hydra:
        former = hydra.job.config_name
    if former != config_name:
        raise ForgatherError(
            "bad_override",
            f"resume={folder}: that run is of the config {former!r}, and not of {config_name!r}",
            hint=f"add --config-name {former}",
        )


def _changed(saved: list[str], given: list[str]) -> list[str]:
    """The overrides of a run, and after them others that may change them.

    To change what the run has added is to add something else in its place.
    """
    keys = {*map(key_of, given), "resume"}
    added = {key_of(o): o[: len(o) - len(o.lstrip("+"))] for o in saved if o.startswith("+")}
    changes = [o if o[0] in "+~" else added.get(key_of(o), "") + o for o in given]
    return [o for o in saved if key_of(o) not in keys] + changes


def overrides_of(folder: Path, kind: str) -> list[str]:
    """The ``hydra`` or ``task`` overrides that a run was started with.

    Raises:
        ForgatherError: its record cannot be read.
    """
    with _saved_hydra(folder) as hydra:
        return task_overrides(hydra) if kind == "task" else hydra_overrides(hydra)


@contextmanager
def _saved_hydra(folder: Path) -> Iterator[Any]:
    """Hydra's section of a run's configuration; turns what is wrong with it into one error."""
    path = folder / HYDRA / "hydra.yaml"
    try:
        saved: Any = OmegaConf.load(path)
        yield saved.hydra
    except (OSError, ValueError, YAMLError, AttributeError, TypeError, OmegaConfBaseException) as e:
        hint = f"repeat the command of the run with hydra.run.dir={folder} resume=auto"
        raise ForgatherError("bad_override", f"{path} is no record of a run", hint=hint) from e


def config_dir_of_run(overrides: list[str]) -> str | None:
    """The ``--config-dir`` of the run which ``resume=DIR`` goes on with, if it had one."""
    folder = _run_folder("resume", overrides)
    if folder is None:
        return None
    saved: Any = OmegaConf.load(folder / HYDRA / "hydra.yaml")
    sources = OmegaConf.select(saved, "hydra.runtime.config_sources") or ()
    return next((each.path for each in sources if each.provider == "command-line"), None)


def _run_folder(key: str, overrides: list[str]) -> Path | None:
    """The run directory that an override names, if any."""
    chosen = [o.partition("=")[2].strip("'\"") for o in overrides if key_of(o) == key]
    if not chosen or chosen[-1] in ("auto", "null", "true", "false"):
        return None
    if not chosen[-1]:
        hint = "name its directory; resume=auto finds the newest unfinished one, null is for none"
        raise ForgatherError("bad_override", f"{key}= names no run", hint=hint)
    folder = Path(chosen[-1])
    if not (folder / HYDRA / "hydra.yaml").is_file():
        problem = "holds no run (no .hydra folder)" if folder.is_dir() else "does not exist"
        hint = "name a run directory such as outputs/DATE/TIME"
        if (folder / RECORD).is_file():
            problem = f"keeps its configuration elsewhere than in {HYDRA} (hydra.output_subdir)"
            hint = (
                f"repeat the command of the run; hydra.run.dir={folder} resume=auto goes on with it"
            )
        raise ForgatherError("bad_override", f"{key}={folder}: the directory {problem}", hint=hint)
    return folder
