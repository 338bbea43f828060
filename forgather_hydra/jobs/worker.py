"""``python -m forgather_hydra.jobs.worker RUN_DIR ATTEMPT_DIR``: one process of a job.

It finds the composed job in its directory, and runs it as Hydra would have done; a launcher has set
the environment by which the processes of a job find each other.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import open_dict

from forgather_hydra.config.given import hydra_config, task_overrides
from forgather_hydra.garbage import look_seldom
from forgather_hydra.jobs.job import Payload, read_payload, returned
from forgather_hydra.jobs.local import loopback
from forgather_hydra.jobs.outcome import JobFailed, failure_message, write_failure, write_outcome
from forgather_hydra.large_tensors import align_large_tensors
from forgather_hydra.run.failure import message_of
from forgather_hydra.rundir.launch import owned
from forgather_hydra.rundir.names import FIRST_ATTEMPT, rank_log
from forgather_hydra.rundir.record import keep_configuration

EXIT_FAILED, EXIT_BUSY, EXIT_INTERRUPTED = 1, 75, 130
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Entry point; exits with 0, 1 (job failed), 75 (runs elsewhere) or 130 (interrupted)."""
    look_seldom()
    align_large_tensors()
    directory, attempt = map(Path, sys.argv[1:])
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    # Trainers save at SIGTERM; whatever else runs ends as with Ctrl-C. The signal by which a
    # cluster announces the end of its time goes to the shell, and is ignored here and in children.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        _end_with_torchrun()
        _print_to(attempt / rank_log(rank))
    served = _serve() if rank == 0 else None  # for as long as this process lives
    try:
        sys.exit(
            _first(directory, attempt, size)
            if rank == 0
            else _other(directory, attempt, rank, size)
        )
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    finally:
        del served


def _first(directory: Path, attempt: Path, size: int) -> int:
    with owned(directory, attempt.name) as is_mine:
        if not is_mine:
            print(f"another process runs the job in {directory}; nothing is done here")
            return EXIT_BUSY
        payload, context, task = read_payload(directory, attempt.name != FIRST_ATTEMPT)
        if payload.is_ours and payload.keys[1]:  # of a sweep: that of a run is kept already
            keep_configuration(directory)
        job_return = _run(directory, payload, context, task)
        if job_return.status == JobStatus.FAILED:
            error = job_return._return_value
            write_failure(directory, error, 0, size)
            print(failure_message(directory) or message_of(error), file=sys.stderr)
        write_outcome(directory, job_return)
        return EXIT_FAILED if job_return.status == JobStatus.FAILED else 0


def _run(directory: Path, payload: Payload, context: HydraContext, task: TaskFunction) -> JobReturn:
    value: Any
    try:
        job_dir_key, job_subdir_key = payload.keys
        return run_job(
            hydra_context=context,
            task_function=task,
            config=payload.config,
            job_dir_key=job_dir_key,
            job_subdir_key=job_subdir_key,
        )
    except SystemExit as stop:
        is_good = not stop.code
        value = None if is_good else JobFailed(f"the job left with sys.exit({stop.code!r})")
        status = JobStatus.COMPLETED if is_good else JobStatus.FAILED
    except Exception as error:
        value, status = error, JobStatus.FAILED
    overrides = task_overrides(payload.config.hydra)
    return returned(payload.config, overrides, directory, status, value)


def _other(directory: Path, attempt: Path, rank: int, size: int) -> int:
    """A process beside the first: it writes nothing but its log."""
    payload, _, task = read_payload(directory, attempt.name != FIRST_ATTEMPT)
    config = payload.config
    with open_dict(config.hydra.runtime):
        config.hydra.runtime.output_dir = str(directory)
    job = config.copy()
    with open_dict(job):
        del job["hydra"]
    try:
        with hydra_config(config):
            task(job)
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and not error.code:
            return 0
        write_failure(directory, error, rank, size)
        sys.excepthook(type(error), error, error.__traceback__)
        return EXIT_FAILED
    return 0


def _serve() -> Any:
    """What processes that srun has started on one node find each other by."""
    has_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == str(True)
    if not has_agent or "TORCHELASTIC_RUN_ID" in os.environ:
        return None
    return loopback.store(int(os.environ["MASTER_PORT"]))


def _end_with_torchrun() -> None:
    """Have this process killed when torchrun is: nobody would know of it, or wait for it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _print_to(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
    os.close(log)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
