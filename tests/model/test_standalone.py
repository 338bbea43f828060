"""An exported directory works in a process that has never seen this package."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

from forgather_hydra.model import build_model

CHECKS = Path(__file__).with_name("standalone_checks.py")
NAMES = re.findall(r"^def (check_\w+)", CHECKS.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def foreign_site(tmp_path_factory) -> Path:
    """A directory of links to everything installed except this package."""
    site = tmp_path_factory.mktemp("site")
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(folder).iterdir():
            ours = entry.name.startswith(("forgather_hydra", "hydra_plugins", "__editable__"))
            if not ours and entry.suffix != ".pth" and not os.path.lexists(site / entry.name):
                (site / entry.name).symlink_to(entry)
    return site


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def elsewhere(request, code, new_config, new_tokenizer, foreign_site, tmp_path_factory):
    """The model here, its inputs, and what the checks say in an interpreter without us."""
    folder = tmp_path_factory.mktemp("standalone")
    torch.manual_seed(0)
    config = new_config(tie_word_embeddings=request.param, initializer_range=0.1)
    tokenizer = new_tokenizer()
    model = build_model(code, config, folder / "model", tokenizer).eval()
    model.save_pretrained(folder / "model")
    ids = torch.randint(4, len(tokenizer), (2, 9))
    torch.save(ids, folder / "ids.pt")
    (folder / "work").mkdir()
    done = subprocess.run(
        [sys.executable, "-S", CHECKS, folder / "model", folder / "ids.pt", folder / "work"],
        cwd=folder / "work",
        env={
            **os.environ,  # how its processor is to compute, among others
            "PYTHONPATH": str(foreign_site),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(folder / "hf"),
            "HF_MODULES_CACHE": str(folder / "hf/modules"),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return model, ids, folder, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", NAMES)
def test_works_without_this_package(elsewhere, name):
    found = elsewhere[-1][name]
    assert found is None, found


def test_computes_what_it_computes_here(elsewhere, tokenizer):
    model, ids, folder, _ = elsewhere
    logits, generated, token_ids = torch.load(folder / "work/out.pt")
    kwargs = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    with torch.no_grad():
        assert torch.equal(logits, model(ids).logits)
    assert torch.equal(generated, model.generate(ids, **kwargs))
    assert token_ids == tokenizer("w1 w2").input_ids


def test_nothing_is_added_to_the_directory(elsewhere):
    assert not [path for path in (elsewhere[2] / "model").iterdir() if path.is_dir()]
