"""What each process of a job on this machine is given: threads, and devices that it sees."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hydra_plugins.forgather_launcher._options import LOCAL

from forgather_hydra.jobs.local import start
from forgather_hydra.jobs.local.start import Starter
from forgather_hydra.jobs.options import LocalOptions, read_options
from forgather_hydra.jobs.topology import Topology


def starter(jobs: int, parallel: int, *devices: str, **values: Any) -> Starter:
    options = read_options({**LOCAL, **values})
    assert isinstance(options, LocalOptions)
    topology = Topology("AccelTrainer")
    each: Any = SimpleNamespace(topology=topology, options=options)
    return Starter([each] * jobs, parallel, devices, options, [])


def test_processes_share_out_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(start, "cores", lambda: 64)
    assert starter(jobs=100, parallel=8).threads(2) == 4
    assert starter(jobs=2, parallel=8).threads(2) == 16  # there are not more at a time
    assert starter(jobs=100, parallel=100).threads(1) == 1
    assert starter(jobs=1, parallel=1, threads_per_proc=3).threads(1) == 3


def test_a_job_sees_the_devices_that_it_has_been_given() -> None:
    made = starter(1, 1, "0", "1")
    gpu: Any = SimpleNamespace(topology=Topology("AccelTrainer", gpus_per_proc=1))
    cpu: Any = SimpleNamespace(topology=Topology("AccelTrainer", gpus_per_proc=0))
    assert made.visible(gpu, ["1"]) == {"CUDA_VISIBLE_DEVICES": "1"}
    assert made.visible(cpu, ["1"]) == {"CUDA_VISIBLE_DEVICES": ""}
    assert starter(1, 1).visible(cpu, []) == {}
    assert starter(1, 1, devices="none").visible(cpu, []) == {"CUDA_VISIBLE_DEVICES": ""}
