"""Time to finish 16 trivial jobs by each launcher, and to submit 100 jobs to a SLURM cluster.

    python tests/bench/bench_launch.py [RUNS]

Ratios are to Hydra's BasicLauncher, which runs the jobs in one process, as Hydra alone has it; with
this package installed it is faster, since no job is composed twice. The SLURM part needs a cluster,
and is left out without one.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JOBS = 16
APPLICATION = """
import hydra
@hydra.main(version_base=None)
def main(cfg):
    return cfg.x
main()
"""
ALONE = """
from pathlib import Path
import hydra_plugins
paths = hydra_plugins.__path__
hydra_plugins.__path__ = [path for path in paths if not Path(path, "forgather").is_dir()]
"""
LAUNCHERS = {
    "basic, alone": (),
    "basic": (),
    "joblib": ("hydra.launcher.n_jobs=2",),
    "submitit_local": (),
    "forgather_local": ("hydra.launcher.max_parallel=2", "hydra.launcher.stagger_s=0"),
}
SUBMIT = 100
HELD = (
    "hydra/launcher=forgather_slurm",
    "hydra.launcher.detach=true",
    "hydra.launcher.additional_parameters={hold: true}",
    "hydra.launcher.snapshot=false",
    "hydra.launcher.job_name=bench",
)
# Put before the application: tells on stderr how long the launcher takes with composed jobs.
MEASURED = """
import sys, time
import forgather_hydra.jobs.slurm.run as slurm
launch = slurm.run_on_slurm
def measured(*arguments):
    begin = time.perf_counter(), time.process_time()
    returns = launch(*arguments)
    spent = time.perf_counter() - begin[0], time.process_time() - begin[1]
    print("submission", *spent, file=sys.stderr)
    return returns
slurm.run_on_slurm = measured
"""


def seconds(*words: str, before: str = "") -> float:
    """Wall time of the application's sweep with these words, in an empty folder.

    Args:
        words: of the command line.
        before: code that the application begins with.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(before + APPLICATION)
        command = [sys.executable, "app.py", "-m", "hydra.sweep.dir=out", *words]
        begin = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - begin


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"{JOBS} trivial jobs, median of {runs}, {os.cpu_count()} cores")
    times: dict[str, list[float]] = {launcher: [] for launcher in LAUNCHERS}
    for _ in range(runs):  # in turns: the machine may be busier at one time than at another
        for launcher, words in LAUNCHERS.items():
            name, _, is_alone = launcher.partition(", ")
            words = (f"hydra/launcher={name}", *words, f"+x=range({JOBS})")
            times[launcher].append(seconds(*words, before=ALONE if is_alone else ""))
    medians = {launcher: statistics.median(each) for launcher, each in times.items()}
    for launcher, median in medians.items():
        ratio = median / medians["basic, alone"]
        each = 1000 * median / JOBS
        print(f"  {launcher:16} {median:6.2f} s {each:5.0f} ms a job {ratio:6.2f}")
    if "SLURM_CONF" in os.environ and shutil.which("sbatch"):
        submit()


def submit() -> None:
    """Submit jobs that never run, as an array and one by one; the submission is a part of it."""
    print(f"submit {SUBMIT} jobs: the whole command, and what it does when they are composed")
    for what, flag in (("as an array", "true"), ("one by one", "false")):
        words = (*HELD, f"hydra.launcher.array={flag}", f"+x=range({SUBMIT})")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "app.py").write_text(MEASURED + APPLICATION)
            command = [sys.executable, "app.py", "-m", "hydra.sweep.dir=out", *words]
            begin = time.perf_counter()
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
            whole = time.perf_counter() - begin
        took, cpu = map(float, re.findall(r"submission ([\d.]+) ([\d.]+)", done.stderr)[0])
        each = 1000 * cpu / SUBMIT
        print(f"  {what} {whole:6.2f} s, {took:6.2f} s, {each:4.1f} ms of processor time a job")
    subprocess.run(["scancel", "--name=bench"], check=True)


if __name__ == "__main__":
    main()
