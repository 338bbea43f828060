"""What a finished run leaves behind."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch
from closeness import assert_close
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import OmegaConf
from safetensors.torch import load_file

import forgather_hydra as fg
from forgather_hydra.graph.walk import isomorphic
from forgather_hydra.rundir.names import ENTRIES

Finished = tuple[Path, str]

LOAD_ALONE = """
import importlib.util, sys, torch
assert importlib.util.find_spec("forgather_hydra") is None
from transformers import AutoModelForCausalLM, AutoTokenizer
path, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(path, trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(path)
batch = tokenizer("Once upon a time", return_tensors="pt")
with torch.no_grad():
    logits = model(batch["input_ids"]).logits
generate = dict(do_sample=False, max_new_tokens=8, pad_token_id=tokenizer.eos_token_id)
model.double()  # no two tokens are so near that rounding chooses
cached = model.generate(**batch, **generate)
uncached = model.generate(**batch, use_cache=False, **generate)
assert torch.equal(cached, uncached)
torch.save({"ids": batch["input_ids"], "logits": logits}, out)
"""


def test_every_file_and_field_is_listed(finished: Finished) -> None:
    run_dir, _ = finished
    names = {entry.name: entry.fields for entry in ENTRIES}
    assert {path.name for path in run_dir.iterdir()} <= {*names, "forgather.log"}
    for name in ("run.json", "status.json"):
        assert json.loads((run_dir / name).read_text()).keys() <= names[name].keys()


def test_every_part_is_there(finished: Finished) -> None:
    run_dir, _ = finished
    for name in (
        *(".hydra/config.yaml", ".hydra/overrides.yaml", "config.pp.yaml"),
        *("graph.yaml", "graph.py", "versions.json", "git.json", "run.json", "metrics.jsonl"),
        *("model/config.json", "model/llama.py", "model/rms_norm.py", "model/tokenizer.json"),
        *("model/model.safetensors", "model/generation_config.json"),
    ):
        assert (run_dir / name).stat().st_size > 0, name
    assert [p.name for p in sorted((run_dir / "checkpoints").iterdir())] == [
        "checkpoint-12",
        "checkpoint-8",
    ]
    assert any((run_dir / "runs").iterdir())
    record = json.loads((run_dir / "run.json").read_text())
    assert (record["status"], len(record["attempts"])) == ("finished", 1)
    assert json.loads((run_dir / "versions.json").read_text())["torch"] == torch.__version__


def test_metrics_tell_the_whole_story(finished: Finished) -> None:
    run_dir, _ = finished
    records = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    training = [r for r in records if "loss" in r]
    assert [r["step"] for r in training] == list(range(1, 13))
    assert {"epoch", "tokens", "time", "learning_rate", "grad_norm", "tokens_per_second"} <= set(
        training[0]
    )
    assert [r["step"] for r in records if "eval_loss" in r and "final" not in r] == [0, 6, 12]
    assert training[5]["tokens"] == 6 * 4 * 64
    final = records[-1]
    assert final["final"] is True
    assert final["eval_loss"] < final["initial_eval_loss"]
    assert final["initial_eval_loss"] == pytest.approx(math.log(512), rel=0.05)


def test_the_unigram_entropy_is_that_of_the_evaluation_tokens(finished: Finished) -> None:
    run_dir, _ = finished
    final = json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])
    graph = fg.from_omegaconf(OmegaConf.load(run_dir / ".hydra" / "config.yaml").data)
    rows = torch.tensor(fg.materialize(graph, targets="eval_dataset").rows.astype("int64"))
    shares = torch.bincount(rows.flatten()).double() / rows.numel()
    entropy = -(shares[shares > 0] * shares[shares > 0].log()).sum().item()
    assert final["unigram_entropy"] == pytest.approx(entropy)


def test_the_table_tells_what_and_where(finished: Finished) -> None:
    run_dir, output = finished
    final = json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])
    for number in (
        final["final_train_loss"],
        final["initial_eval_loss"],
        final["eval_loss"],
        final["unigram_entropy"],
    ):
        assert f"{number:.4f}" in output
    assert f"{final['parameters']:,}" in output
    assert "model" in output.rpartition("metrics")[2]


def test_the_snapshot_reloads_to_the_graph_that_was_written(
    finished: Finished, hydra_restore_singletons: None
) -> None:
    run_dir, _ = finished
    setup_globals()
    HydraConfig.instance().cfg = OmegaConf.load(run_dir / ".hydra" / "hydra.yaml")
    from_snapshot = fg.from_omegaconf(OmegaConf.load(run_dir / ".hydra" / "config.yaml"))
    from_yaml = fg.ConfigEnvironment().parse((run_dir / "graph.yaml").read_text()).config
    assert isomorphic(from_snapshot, from_yaml)


def test_the_python_is_valid_and_names_the_same_targets(finished: Finished) -> None:
    run_dir, _ = finished
    source = (run_dir / "graph.py").read_text()
    compile(source, "graph.py", "exec")
    assert "from torch.optim import AdamW" in source
    assert '"main": ' in source


def test_the_model_directory_loads_where_this_package_is_not_installed(
    finished: Finished, tmp_path: Path
) -> None:
    run_dir, _ = finished
    site = tmp_path / "site"
    site.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.lower().startswith(
            ("forgather", "_forgather", "hydra_plugins", "__editable__")
        ):
            (site / entry.name).symlink_to(entry)
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
    }
    out = tmp_path / "logits.pt"
    done = subprocess.run(
        [sys.executable, "-S", "-c", LOAD_ALONE, str(run_dir / "model"), str(out)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    theirs = torch.load(out)

    from forgather_hydra.model.build import import_generated

    module = import_generated(run_dir / "model" / "llama.py")
    model = module.DynamicCasualLM.from_pretrained(run_dir / "model").eval()
    with torch.no_grad():
        assert_close(model(theirs["ids"]).logits, theirs["logits"])
    weights = load_file(run_dir / "checkpoints" / "checkpoint-12" / "model.safetensors")
    for name, tensor in model.state_dict().items():
        if name in weights:
            assert torch.equal(tensor, weights[name]), name
