"""Jobs in containers on a real cluster."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from slurm_cluster import needs_cluster

pytestmark = needs_cluster
Run = Callable[..., Any]

# Does what the plugin pyxis does with these three options: each task in a mount namespace of its
# own sees nothing but an image and what is mounted there, and variables of the image are stronger.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do
  case $1 in
    --container-image=*) image=${1#*=} ;;
    --container-mounts=*) mounts=${1#*=} ;;
    --container-workdir=*) workdir=${1#*=} ;;
    *) options+=("$1") ;;
  esac
  shift
done
exec @SRUN@ "${options[@]}" unshare --mount bash @ENTER@ "$image" "$mounts" "$workdir" "$@"
"""
ENTER = """
image=$1 workdir=$3
IFS=,
for mount in $2 $(cat "$image/PARTS"); do
  mkdir -p "$image${mount#*:}" && mount --rbind "${mount%%:*}" "$image${mount#*:}" || exit 1
done
shift 3
export MARK=image PYTHONPATH=/nowhere
exec chroot "$image" bash -c 'cd "$0" && exec "$@"' "$workdir" "$@"
"""


def make_image(folder: Path) -> Path:
    """An image with the system's programs, and Python with its packages, but not this project."""
    packages = Path(hydra.__file__).resolve().parents[1]
    parts = {"/usr", "/etc", "/proc", "/dev", sys.prefix, sys.base_prefix, str(packages)}
    (folder / "PARTS").write_text(",".join(f"{part}:{part}" for part in sorted(parts)))
    (folder / "IMAGE").write_text("this one")
    for link in Path("/").iterdir():
        if link.is_symlink() and str(link.readlink()).lstrip("/").startswith("usr/"):
            (folder / link.name).symlink_to(link.readlink())
    return folder


def test_a_job_in_a_container(launch: Run, tmp_path: Path, tmp_path_factory: Any) -> None:
    image = make_image(tmp_path_factory.mktemp("image"))
    tools = tmp_path_factory.mktemp("tools")
    (tools / "enter").write_text(ENTER)
    srun = SRUN.replace("@SRUN@", str(shutil.which("srun")))
    (tools / "srun").write_text(srun.replace("@ENTER@", shlex.quote(str(tools / "enter"))))
    (tools / "srun").chmod(0o755)
    container = (
        f"hydra.launcher.container={image}",
        f"hydra.launcher.container_mounts=[{tools}:/extra]",
    )
    setup = f"hydra.launcher.setup=['export PATH={tools}:$PATH']"
    words = ("hydra.launcher.env={MARK: job}", "hydra.launcher.poll_s=0.1", "hydra.run.dir=run")
    launch("boxed", "cluster=slurm", *container, setup, *words, "+main.x=1")
    value = json.loads((tmp_path / "run/.launch/result.json").read_text())["value"]
    code = tmp_path / "run/.launch/code"
    assert Path(value.pop("code")).is_relative_to(code)
    seen = {"image": "this one", "extra": ["enter", "srun"], "mark": "job"}
    assert value == {"eval_loss": 1, "cwd": str(tmp_path), **seen}
    assert not list((image / "extra").iterdir())
