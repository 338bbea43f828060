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
