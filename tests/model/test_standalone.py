"""An exported directory works in a process that has never seen this package."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

SCRIPT = """
import sys, torch
torch.set_num_threads(1)
try:
    import forgather_hydra
except ImportError:
    pass
else:
    raise SystemExit("forgather_hydra must not be importable here")
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
directory, ids_path, out_path = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(directory)
config = AutoConfig.from_pretrained(directory, trust_remote_code=True)
fresh = AutoModelForCausalLM.from_config(config)
assert fresh.num_parameters() == model.num_parameters()
ids = torch.load(ids_path)
generated = model.generate(ids, max_new_tokens=6, do_sample=False)
with torch.no_grad():
    logits = model(ids)
torch.save([logits, generated, tokenizer("w1 w2").input_ids], out_path)
"""


@pytest.fixture(scope="session")
def foreign_site(tmp_path_factory) -> Path:
    """A directory of links to everything installed except this package."""
    site = tmp_path_factory.mktemp("site")
    for key in ("purelib", "platlib"):
        for entry in Path(sysconfig.get_path(key)).iterdir():
            ours = entry.name.startswith(("forgather_hydra", "hydra_plugins", "__editable__"))
            if not ours and entry.suffix != ".pth" and not (site / entry.name).exists():
                (site / entry.name).symlink_to(entry)
    return site


def test_loads_runs_and_generates_without_this_package(
    build, code, config, random_ids, tokenizer, tmp_path, foreign_site
):
    from forgather_hydra.model import export_model

    model, ids = build(), random_ids(2, 6)
    directory = tmp_path / "model"
    export_model(code, config, directory, tokenizer)
    model.save_pretrained(directory)
    torch.save(ids, tmp_path / "ids.pt")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(foreign_site),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
    }
    arguments = [directory, tmp_path / "ids.pt", tmp_path / "out.pt"]
    done = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT, *map(str, arguments)],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    logits, generated, token_ids = torch.load(tmp_path / "out.pt")
    with torch.no_grad():
        assert torch.equal(logits, model(ids))
    assert torch.equal(generated, model.generate(ids, max_new_tokens=6, do_sample=False))
    assert token_ids == tokenizer("w1 w2").input_ids
