"""How a job ended: written by its first process, read by whoever asks."""

from __future__ import annotations

import pickle
import re
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import cast

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.job import Job, late_return
from forgather_hydra.jobs.local.processes import exit_message
from forgather_hydra.report.results import JobCancelled, one_line
from forgather_hydra.report.returns import LateReturn, Packed
from forgather_hydra.run import failure as failure_of
from forgather_hydra.rundir.files import read_json, read_own, write_json, write_own
from forgather_hydra.rundir.launch import attempts, launch_dir, result_of
from forgather_hydra.rundir.names import (
    FAILURE,
    RESULT,
    RETURN,
    TORCHRUN_LOG,
    TRACEBACK,
    rank_log,
)
from forgather_hydra.rundir.states import State

TAIL = 20  # lines of a log that are worth showing


class JobFailed(Exception):
    """A job failed in a process of its own, in a way that left no exception to raise."""


def write_outcome(directory: Path, job_return: JobReturn) -> None:
    """Keep what a job returned, in its directory."""
    import cloudpickle

    value = job_return._return_value
    word = State.FAILED if job_return.status == JobStatus.FAILED else State.FINISHED
    if word == State.FINISHED and isinstance(value, dict) and value.get("stopped"):
        word = State.STOPPED
    try:
        content = cloudpickle.dumps(job_return)
        pickle.loads(content)
    except Exception as problem:
        if word == State.FINISHED:
            word = State.FAILED
            value = JobFailed(f"what the job returned cannot be sent back: {problem}")
        else:
            value = JobFailed(one_line(value))
        job_return.status, job_return._return_value = JobStatus.FAILED, value
        content = cloudpickle.dumps(job_return)
    folder = launch_dir(directory)
    write_own(folder / RETURN, content)
    result = {"status": word, "time": time.time()}
    if word == State.FAILED:
        result["error"] = one_line(value)
    else:
        result["value"] = value
    write_json(folder / RESULT, result, is_final=True)


def write_failure(directory: Path, error: BaseException, rank: int, size: int) -> None:
    """Keep what the process failed with that failed first."""
    where = f"process {rank} of {size}: " if size > 1 else ""
    with suppress(FileExistsError), open(directory / TRACEBACK, "x", encoding="utf-8") as file:
        file.write(f"{where}{one_line(error)}\n" if where else "")
        file.writelines(traceback.format_exception(error))
        failure = {
            "rank": rank,
            "error": where + one_line(error),
            "told": failure_of.message_of(error),
            "exit_code": failure_of.exit_code(error),
        }
        write_json(launch_dir(directory) / FAILURE, failure)


def failure_message(directory: Path) -> str | None:
    """What the user reads about why a job failed, if one of its processes has said that."""
    return (read_json(launch_dir(directory) / FAILURE) or {}).get("told")


def exit_code_of(directory: Path) -> int:
    """The exit code for a job that has failed."""
    failure = read_json(launch_dir(directory) / FAILURE) or {}
    return int(failure.get("exit_code", failure_of.EXIT_FAILED))


def return_of(job: Job) -> JobReturn:
    """The return of a job that has left a result.

    Where somebody else may have written what would be unpickled, it is made from the result.
    """
    try:
        content = read_own(launch_dir(job.directory) / RETURN)
    except (OSError, ForgatherError):
        return return_from_result(job)
    job_return: JobReturn = pickle.loads(content)
    runtime = cast(DictConfig, job_return.hydra_cfg).hydra.runtime
    if runtime.output_dir != str(job.directory):  # the directory of the sweep has been moved
        OmegaConf.set_readonly(runtime, False)
        runtime.output_dir = str(job.directory)
    first = _other_process(job.directory)
    if job_return.status == JobStatus.FAILED and first:
        job_return._return_value = JobFailed(first)
    status, value, job_return._return_value = job_return.status, job_return._return_value, None
    whole = Packed(job_return).unpacked
    return LateReturn(whole, job.directory, job.overrides, status, value)


def return_from_result(job: Job) -> JobReturn:
    """The return of a job that has left a result, with what JSON knows of it."""
    result = result_of(job.directory) or {}
    has_failed = result.get("status") == State.FAILED
    value = JobFailed(str(result.get("error"))) if has_failed else result.get("value")
    status = JobStatus.FAILED if has_failed else JobStatus.COMPLETED
    return late_return(job, status, value)


def failed(job: Job, reason: str) -> JobReturn:
    """The return of a job that has left no result."""
    reason = _silent_process(job.directory) or reason
    message = _other_process(job.directory) or "\n".join([reason, *log_tail(job.directory)])
    return late_return(job, JobStatus.FAILED, JobFailed(message.strip()))


def cancelled(job: Job, reason: str) -> JobReturn:
    """The return of a job that was cancelled."""
    return late_return(job, JobStatus.FAILED, JobCancelled(reason))


def _silent_process(directory: Path) -> str | None:
    """Which of several processes ended first without having said why, and how."""
    logs = [folder / TORCHRUN_LOG for folder in attempts(directory)[-1:]]
    text = logs[0].read_text(errors="replace") if logs and logs[0].exists() else ""
    first = re.search(r"Root Cause.*?rank +: (\d+).*?exitcode +: (-?\d+)", text, re.DOTALL)
    if first is None:
        return None
    return exit_message(int(first[2])).replace("the process", f"process {first[1]}")


def log_tail(directory: Path, lines: int = TAIL) -> list[str]:
    """The last lines that a job has printed."""
    found = attempts(directory)
    log = found[-1] / rank_log(0) if found else None
    if log is None or not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


def _other_process(directory: Path) -> str | None:
    """What the process raised that failed first, if it is not the first one."""
    failure = read_json(launch_dir(directory) / FAILURE)
    return str(failure["error"]) if failure and failure["rank"] else None
