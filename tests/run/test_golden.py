"""The baseline's rendered text, graph and Python, compared with what they were.

After an intended change: UPDATE_GOLDEN=1 pytest tests/run/test_golden.py, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

import forgather_hydra as fg
from forgather_hydra.config.application import composed

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def written(hydra_restore_singletons: None) -> dict[str, str]:
    """File name -> text, for the baseline."""
    with composed(["+experiment=baseline"]) as baseline:
        cfg = baseline.cfg
    texts = "\n".join(f"# {name}\n{text}" for name, text in baseline.record.texts.items())
    with open_dict(cfg):
        cfg.hydra.runtime.output_dir = "RUN"
        HydraConfig.instance().set_config(cfg.copy())
        del cfg["hydra"]
    graph = fg.from_omegaconf(cfg)
    return {
        "baseline.pp.yaml": texts,
        "baseline.graph.yaml": fg.to_yaml(graph),
        "baseline.py.txt": fg.generate_code(graph),
    }


@pytest.mark.parametrize("name", ["baseline.pp.yaml", "baseline.graph.yaml", "baseline.py.txt"])
def test_the_baseline_is_what_it_was(written: dict[str, str], name: str) -> None:
    golden = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.write_text(written[name], encoding="utf-8")
    assert written[name] == golden.read_text(encoding="utf-8")
