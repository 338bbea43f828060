"""The options of the launchers with their defaults.

They are plain mappings, since a structured config would cost every Hydra application 15 ms when it
starts. Those that hold mappings are null by default: ``hydra.launcher.env={A: 1}`` then needs no
``+``.
"""

from __future__ import annotations

_COMMON = {
    "_recursive_": False,
    "_convert_": "all",
    "on_error": "continue",  # or stop, or retry(N)
    "dry_run": False,  # print what would be done, and do nothing
    "env": None,  # environment variables of the jobs
}

LOCAL = {
    "_target_": "hydra_plugins.forgather_launcher.local_launcher.ForgatherLocalLauncher",
    **_COMMON,
    "snapshot": False,  # run a copy of the code, made now
    "devices": "auto",  # or none, or some of them: [0, 1]
    "jobs_per_device": 1,
    "max_parallel": "auto",  # jobs at a time; auto: as the devices, or the cores, allow
    "threads_per_proc": "auto",  # the cores, shared out
    "stagger_s": 0.1,  # seconds between two starts
}

# Those that are null are left to `resources`, or to the cluster; the names are submitit's.
SLURM = {
    "_target_": "hydra_plugins.forgather_launcher.slurm_launcher.ForgatherSlurmLauncher",
    **_COMMON,
    "snapshot": True,
    "detach": False,  # submit, and return at once
    "job_name": "${hydra.job.name}",
    "partition": None,
    "account": None,
    "qos": None,
    "timeout_min": None,
    "mem_gb": None,
    "gpus_per_node": None,
    "cpus_per_task": None,
    "constraint": None,
    "nodelist": None,
    "exclude": None,
    "exclusive": None,
    "dependency": None,
    "container": None,  # an image, for the plugin pyxis
    "container_mounts": None,  # SOURCE:TARGET, besides the project and the sweep
    "setup": None,  # lines of shell before the job; one that fails ends it
    "python": None,  # what to call: this interpreter, or python3 of the container
    "srun_args": None,
    "additional_parameters": None,  # any other option of sbatch
    "array": True,  # submit like jobs together
    "array_parallelism": 256,
    "signal_delay_s": 120,  # from the warning that time is up to the end; a step and a save
    "max_requeues": 20,
    "poll_s": 10,  # seconds between two questions to the cluster
}
