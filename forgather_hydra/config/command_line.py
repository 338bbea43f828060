"""What our own command line adds to composition: errors with hints, saved overrides, early checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forgather_hydra.config.composition import COMMAND_LINE
from forgather_hydra.errors import ForgatherError, did_you_mean, nearest


class UsageExit(BaseException):
    """Carries a configuration error past Hydra's own reporting to our command line."""

    def __init__(self, error: ForgatherError) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def command_line() -> Iterator[None]:
    """While this is open, compositions belong to our command line rather than to another application."""
    token = COMMAND_LINE.set(True)
    try:
        yield
    finally:
        COMMAND_LINE.reset(token)


def is_active() -> bool:
    """Whether our command line is running."""
    return COMMAND_LINE.get()


@contextmanager
def command_line_errors(
    inner: ConfigLoader, config_name: str | None, overrides: list[str], run_mode: RunMode
) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise while composing into one error with a hint."""
    try:
        yield
    except (ForgatherError, HydraException, OmegaConfBaseException) as error:
        if not is_active():
            raise
        told = (
            error
            if isinstance(error, ForgatherError)
            else _told(error, inner, config_name, overrides, run_mode)
        )
        raise UsageExit(told) from error


def with_saved_overrides(overrides: list[str]) -> list[str]:
    """The overrides, after those of the run that ``resume=DIR`` names."""
    folder = resumed_folder(overrides) if is_active() else None
    if folder is None:
        return overrides
    saved = OmegaConf.load(folder / ".hydra" / "overrides.yaml")
    given = {_key(o) for o in overrides}
    return [o for o in map(str, saved) if _key(o) not in given and _key(o) != "resume"] + overrides


def resumed_folder(overrides: list[str]) -> Path | None:
    """The run directory that ``resume=DIR`` names, if any.

    Raises:
        UsageExit: it is not the directory of a run.
    """
    chosen = [o.partition("=")[2].strip("'\"") for o in overrides if _key(o) == "resume"]
    if not chosen or chosen[-1] in ("", "auto", "null", "true", "false"):
        return None
    folder = Path(chosen[-1])
    if not (folder / ".hydra" / "overrides.yaml").is_file():
        problem = (
            "holds no run (.hydra/overrides.yaml is missing)"
            if folder.is_dir()
            else "does not exist"
        )
        hint = "name a run directory such as outputs/DATE/TIME, or write resume=auto"
        raise UsageExit(
            ForgatherError("bad_override", f"resume={folder}: the directory {problem}", hint=hint)
        )
    return folder


def check_if_asked(job: DictConfig) -> None:
    """On our command line, check a job of a sweep before any job is launched."""
    if is_active():
        from forgather_hydra.config.check import check_job

        try:
            check_job(job)
        except ForgatherError as error:
            raise UsageExit(error) from error


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _told(
    error: Exception,
    inner: ConfigLoader,
    config_name: str | None,
    overrides: list[str],
    run_mode: RunMode,
) -> ForgatherError:
    if isinstance(error, MissingConfigException):
        return _missing_config(error)
    message = str(error).strip()
    if match := re.match(r"Could not (?:override|delete from config\.) '?([^'\s]+)'", message):
        return _unknown_key(match[1], inner, config_name, overrides, run_mode)
    cause = str(error.__cause__).splitlines()[0] if error.__cause__ else ""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return ForgatherError("bad_override", "\n  ".join([*lines, *([cause] if cause else [])]))


def _missing_config(error: MissingConfigException) -> ForgatherError:
    name = error.missing_cfg_file or "?"
    group, _, option = name.rpartition("/")
    options = list(error.options or [])
    close = did_you_mean(option, options)
    known = f"{group} is one of: {', '.join(options)}" if options else None
    hint = "; ".join(part for part in (close, known) if part) or None
    what = f"no {group} {option!r}" if group else f"no config {option!r}"
    return ForgatherError("unknown_option", f"there is {what}", hint=hint)


def _unknown_key(
    key: str, inner: ConfigLoader, config_name: str | None, overrides: list[str], run_mode: RunMode
) -> ForgatherError:
    """The error for an override of a key that the configuration does not have."""
    override = next((o for o in overrides if _key(o) == key), key)
    error = ForgatherError("unknown_key", f"{override}: the configuration has no key {key!r}")
    try:
        others = [o for o in overrides if _key(o) != key]
        cfg = inner.load_configuration(
            config_name, others, run_mode, validate_sweep_overrides=False
        )
    except (HydraException, OmegaConfBaseException, ForgatherError):
        return error
    known = _known_keys(cfg)
    same_name = [k for k in known if k.rpartition(".")[2] == key.rpartition(".")[2]]
    close = nearest(key, known)
    candidates = list(dict.fromkeys([*close, *same_name]))[:3]
    if candidates:
        error.hint = f"did you mean {' or '.join(candidates)}?"
    else:
        error.hint = f"write +{override} to add a new key"
    return error


def _known_keys(cfg: DictConfig) -> list[str]:
    """Every key of the configuration, as one writes it in an override; references are followed."""
    keys: list[str] = []

    def visit(node: Any, prefix: str, depth: int) -> None:
        if not isinstance(node, DictConfig) or depth > 6:
            return
        for name in node:
            path = f"{prefix}{name}"
            if path in ("hydra", "vars", "forgather") or str(name).startswith("_"):
                continue
            keys.append(path)
            if OmegaConf.is_interpolation(node, name) and depth > 0:
                continue
            child = node._get_node(name)
            visit(child, f"{path}.", depth + 1)

    visit(cfg, "", 0)
    return keys
