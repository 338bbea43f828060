"""The batch script of a job, or an array of jobs: submitit's, with an end of our own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import submitit

from forgather_hydra.jobs.local.processes import OF_OTHERS
from forgather_hydra.jobs.options import SlurmOptions
from forgather_hydra.jobs.snapshot import project_roots, site_packages
from forgather_hydra.jobs.topology import Topology
from forgather_hydra.rundir import names
from forgather_hydra.rundir.states import State

JOBS = "jobs.txt"
PATIENCE_S = 120  # for an earlier start of the same job to end

# What follows the parameters of a batch script. The signal that announces the end of the job's
# time, or preemption, goes to this shell alone (B:USR2): it touches STOP, and the processes of the
# job agree on a step at which they save and leave. They leave a file REQUEUE if there is more to
# do; then the job is queued again, unless SLURM has decided by itself what becomes of it.
_TAIL = r"""
RUN=$(sed -n "$((${SLURM_ARRAY_TASK_ID:-0} + 1))p" @LIST@)
ID=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}
LAUNCH=$RUN/@LAUNCH@
mkdir -p "$LAUNCH"
flock -w @PATIENCE@ "$LAUNCH/@OWNER@" true  # an earlier start may be about to end on a lost node
grep -qsE '^  "status": "(@FINISHED@|@FAILED@)"' "$LAUNCH/@RESULT@" && exit 0
rm -f "$RUN/"{@STOP@,@REQUEUE@,@TRACEBACK@} "$LAUNCH/"{@RESULT@,@FAILURE@,@WARNED@,@USED_UP@}
NUMBER=$(($(ls -d "$LAUNCH"/@ATTEMPT@* 2>/dev/null | wc -l) + 1))
ATTEMPT=$LAUNCH/@ATTEMPT@$NUMBER
mkdir -p "$ATTEMPT"
unset @OF_OTHERS@ ${!TORCHELASTIC_*}  # of the shell that has submitted this
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
getent hosts "$MASTER_ADDR" >/dev/null \
  || MASTER_ADDR=$(scontrol show node "$MASTER_ADDR" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')
MASTER_PORT=$((20000 + SLURM_JOB_ID % 12000))
export MASTER_ADDR MASTER_PORT RUN ATTEMPT
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
@EXPORT@
warned() { [ -e "$LAUNCH/@ATTEMPT@$((NUMBER + 1))" ] || touch "$LAUNCH/@WARNED@" "$RUN/@STOP@"; }
trap warned USR2 TERM
@SRUN@ --output="${ATTEMPT//%/%%}/@LOG@" bash -c @RANK@ &
step=$!
while :; do wait $step; code=$?; kill -0 $step 2>/dev/null || break; done
if [ $code = 0 ] && [ -e "$RUN/@REQUEUE@" ] && [ "$(squeue -h -j "$ID" -o %T)" = RUNNING ]; then
  if [ -e "$LAUNCH/@WARNED@" ] || grep -q SIG "$RUN/@REQUEUE@"; then
    [ "${SLURM_RESTART_COUNT:-0}" -lt @MOST_STARTS@ ] || { touch "$LAUNCH/@USED_UP@"; exit 0; }
    scontrol requeue "$ID" && sleep 60
  fi
fi
exit $code
"""

_NAMES = {
    **{
        mark: getattr(names, mark) for mark in re.findall(r"@(\w+)@", _TAIL) if hasattr(names, mark)
    },
    **{state.name: state.value for state in (State.FINISHED, State.FAILED)},
    "ATTEMPT": names.ATTEMPT_PREFIX,
    "LOG": names.rank_log("%t"),  # which srun replaces
}

# What each process is told about itself, where there are several.
_RANK = (
    "export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS "
    "LOCAL_WORLD_SIZE=$((SLURM_NTASKS / SLURM_NNODES)) GROUP_RANK=$SLURM_NODEID "
    "NODE_RANK=$SLURM_NODEID"
)
# And where these are all on one node: the first of them serves the others there.
_NEARBY = (
    "export MASTER_ADDR=127.0.0.1 GLOO_SOCKET_IFNAME=lo NCCL_SOCKET_IFNAME=lo "
    "TORCHELASTIC_USE_AGENT_STORE=True TORCHELASTIC_RESTART_COUNT=0"
)
_ALONE = "unset MASTER_ADDR MASTER_PORT"


class Executor(submitit.SlurmExecutor):
    """Submits scripts of our own; what is asked of SLURM, and how it is called, is submitit's.

    Args:
        folder: of the scripts.
        tail: what the script does.
        count: of the jobs that it is for; an array if more than one.
    """

    def __init__(self, folder: Path, tail: str, count: int) -> None:
        super().__init__(folder)
        self.tail = tail
        self.count = count

    def text(self) -> str:
        """The script."""
        return str(self._make_submission_file_text("", ""))

    def submit_script(self) -> str:
        """Submit the script, and return the cluster's id for it."""
        with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what it raises
            return str(self._submit_command("").job_id)

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        from submitit.slurm.slurm import _make_sbatch_string

        text = _make_sbatch_string(
            command=self.tail,
            folder=self.folder,
            use_srun=False,
            map_count=self.count if self.count > 1 else None,
            **self.parameters,
        )
        return str(text).replace("export SUBMITIT_EXECUTOR=slurm\n", "")

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        # This may itself run in a job, whose shape is not that of the new one.
        own = [n for n in os.environ if n.startswith("SLURM_") and n != "SLURM_CONF"]
        return ["env", *(f"--unset={name}" for name in own), "sbatch", str(submission_file_path)]


def executor(
    folder: Path,
    count: int,
    topology: Topology,
    options: SlurmOptions,
    import_path: Sequence[str],
    sweep_dir: Path,
) -> Executor:
    """An executor for jobs that ask for the same.

    Args:
        folder: for the script and the output of its shell; the script of each job finds the job's
            directory in the file ``jobs.txt`` there, by number.
        count: of the jobs.
        topology: of each job, with nothing left open.
        options: of the launcher.
        import_path: where the jobs look for modules.
        sweep_dir: what the jobs share is below it.
    """
    script = tail(folder / JOBS, topology, options, import_path, sweep_dir)
    made = Executor(folder, script, count)
    made.update_parameters(**parameters(folder, topology, options, count))
    return made


def parameters(
    folder: Path, topology: Topology, options: SlurmOptions, count: int
) -> dict[str, Any]:
    """What is asked of SLURM, in submitit's words; what is None is left to the cluster."""
    name = "%A_%a.log" if count > 1 else "%j.log"
    output = str(folder / name)
    always = {
        "output": output,
        "error": output,
        "signal": f"B:USR2@{options.signal_delay_s}",
        "requeue": True,
    }
    if options.dependency:
        always["kill-on-invalid-dep"] = "yes"
    memory = topology.mem_gb if options.mem_gb is None else options.mem_gb
    asked = {
        "job_name": options.job_name,
        "nodes": topology.nodes,
        "ntasks_per_node": topology.procs,
        "gpus_per_node": gpus_per_node(topology, options) or None,
        "cpus_per_task": options.cpus_per_task or topology.cpus_per_proc,
        "mem": memory and f"{round(memory * 1024)}M",
        "time": options.timeout_min or topology.time_min,
        "constraint": options.constraint or topology.constraint,
        "array_parallelism": options.array_parallelism,
        "setup": ["set -e", *options.setup, "set +e"] if options.setup else None,
        "exclude": options.exclude and ",".join(options.exclude),
        "nodelist": options.nodelist and ",".join(options.nodelist),
        "additional_parameters": always | additional(options),
    }
    same = ("partition", "account", "qos", "exclusive", "dependency")
    asked |= {name: getattr(options, name) for name in same}
    return {name: value for name, value in asked.items() if value is not None} | {"wckey": None}


def gpus_per_node(topology: Topology, options: SlurmOptions) -> int:
    """The GPUs that a job asks for on each node."""
    asked = options.gpus_per_node
    return topology.gpus_per_node if asked is None else asked


def additional(options: SlurmOptions) -> dict[str, Any]:
    """The user's own options of sbatch, without those that are switched off."""
    asked = options.additional_parameters or {}
    return {name: value for name, value in asked.items() if value is not False}


def tail(
    jobs: Path,
    topology: Topology,
    options: SlurmOptions,
    import_path: Sequence[str],
    sweep_dir: Path,
) -> str:
    """What the script does, once it has been given its nodes."""
    container = options.container
    python = options.python or ("python3" if container else shlex.quote(sys.executable))
    if options.python or container:  # which has packages of its own
        import_path = [entry for entry in import_path if entry not in site_packages()]
    srun = ["srun", "--unbuffered", "--kill-on-bad-exit=1", "--wait=60"]
    if cpus := options.cpus_per_task or topology.cpus_per_proc:
        srun.append(f"--cpus-per-task={cpus}")  # some releases do not inherit what sbatch was asked
    srun += in_container(options, sweep_dir) if container else []
    srun += options.srun_args or []
    variables = {"PYTHONPATH": os.pathsep.join(import_path)} | dict(options.env or {})
    exports = [f"export {name}={shlex.quote(str(value))}" for name, value in variables.items()]
    rank = [*(exports if container else ()), *_rendezvous(topology)]
    worker = f'exec {python} -P -u -m forgather_hydra.jobs.worker "$RUN" "$ATTEMPT"'
    values = {
        "EXPORT": "\n".join(exports),
        "LIST": shlex.quote(str(jobs)),
        "SRUN": shlex.join(srun),
        "RANK": shlex.quote("; ".join([*rank, worker])),
        "PATIENCE": str(PATIENCE_S),
        "OF_OTHERS": " ".join(OF_OTHERS),
        "MOST_STARTS": str(options.max_requeues),
        **_NAMES,
    }
    text = _TAIL
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text.strip()


def _rendezvous(topology: Topology) -> list[str]:
    """What each process is told about the others."""
    if topology.world_size == 1:
        return [_ALONE]
    return [_RANK, _NEARBY] if topology.nodes == 1 else [_RANK]


def in_container(options: SlurmOptions, sweep_dir: Path) -> list[str]:
    """What ``srun`` is told of a container, in the words of the plugin pyxis.

    The job finds its own files and code in it where they are outside. Variables are set inside once
    more, since those of an image are stronger than those of ``srun``.
    """
    places = {sweep_dir, *project_roots()}
    outer = [p for p in places if not any(p.is_relative_to(o) for o in places - {p})]
    mounts = [
        *(f"{place}:{place}" for place in sorted(outer)),
        *(options.container_mounts or ()),
    ]
    return [
        f"--container-image={options.container}",
        f"--container-mounts={','.join(mounts)}",
        f"--container-workdir={Path.cwd()}",
    ]
