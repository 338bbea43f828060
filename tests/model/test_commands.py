"""``forgather model construct|test|convert``, in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from forgather_hydra.cli.forgather import main

SMALL = [
    "+experiment=stories",
    "--hidden-size",
    "32",
    "--num-hidden-layers",
    "2",
    "--intermediate-size",
    "48",
]
pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def failure(capsys, *words: str) -> str:
    """What the command says on its way out with exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(["model", *words])
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_construct_writes_what_the_options_say(capsys):
    main(
        [
            "model",
            "--num-kv-heads",
            "2",
            "construct",
            "--d-head=8",
            *SMALL,
            "--no-tie-word-embeddings",
            "--rope-scaling={rope_type: linear, factor: 2.0}",
        ]
    )
    told = capsys.readouterr().out
    directory = Path("output_models/llama")
    written = json.loads((directory / "config.json").read_text())
    assert (written["hidden_size"], written["intermediate_size"]) == (32, 48)
    assert written["num_key_value_heads"] == 2
    assert written["tie_word_embeddings"] is False
    assert written["rotary_scaling"] == {"rope_type": "linear", "factor": 2.0}
    assert not list(directory.glob("*.safetensors"))
    for part in ('"hidden_size": 32', "<|bos|>", "RMSNorm(32", "input_encoder"):
        assert part in told
    total = 2 * 32 * written["vocab_size"]  # embedding and head
    total += 2 * (32 * 32 * 2 + 32 * 16 * 2 + 3 * 32 * 48 + 2 * 32) + 32
    assert f"{total:,}" in told


def test_construct_on_a_device_writes_weights_once(capsys):
    words = ["model", "construct", *SMALL, "--device=cpu", "--dtype=bfloat16", "--output-dir=here"]
    main([*words, "-o", "report.txt"])
    assert capsys.readouterr().out == ""
    assert "here: written" in Path("report.txt").read_text()
    assert len({path.stat().st_mode for path in Path("here").iterdir()}) == 1
    model = AutoModelForCausalLM.from_pretrained("here", trust_remote_code=True)
    assert model.dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained("here").bos_token_id == model.config.bos_token_id
    assert "--force" in failure(capsys, *words[1:])
    main([*words[:-1], "--output-dir=copy", "--load-from-checkpoint=here"])
    copy = AutoModelForCausalLM.from_pretrained("copy", trust_remote_code=True)
    assert all(map(torch.equal, copy.state_dict().values(), model.state_dict().values()))


def test_another_model_is_refused_with_the_difference(capsys):
    main(["model", "construct", *SMALL, "--output-dir=here"])
    capsys.readouterr()
    told = failure(capsys, "construct", *SMALL, "--output-dir=here", "--rope-theta=5.0")
    assert "rope_theta: 10000.0 -> 5.0" in told
    main(["model", "construct", *SMALL, "--output-dir=here", "--rope-theta=5.0", "--force"])
    assert json.loads(Path("here/config.json").read_text())["rope_theta"] == 5.0


def test_what_cannot_be_constructed_leaves_no_model_behind(capsys):
    words = ["construct", *SMALL, "--output-dir=here"]
    told = failure(capsys, *words, "--num-attention-heads=3")
    assert "model_config.num_attention_heads=3: d_model=32 is not a multiple" in told
    assert not Path("here").exists()
    main(["model", *words])


@pytest.mark.parametrize(
    "extra",
    [
        ["--packed"],
        ["--fuse-optim-with-backward", "--gradient-checkpointing"],
        ["model=deepone", "--attn-implementation=eager"],
        ["model=hf_llama", "--attn-implementation=eager"],
    ],
    ids=lambda extra: extra[0],
)
def test_test_trains_and_checks(capsys, extra):
    main(["model", *extra, "test", "--json", "--steps=3", "--batch-size=3", *SMALL])
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
    assert len(found["checks"]) == 4
    assert len(found["steps"]) == 3
    assert (found["steps"][0]["grad_norm"] is None) == ("--fuse-optim-with-backward" in extra)
    assert not Path("output_models").exists()


def test_fused_steps_are_the_same_steps(capsys):
    losses = []
    for extra in ([], ["--fuse-optim-with-backward"]):
        torch.manual_seed(0)
        main(["model", "test", "--json", *extra, *SMALL])
        losses.append([step["loss"] for step in json.loads(capsys.readouterr().out)["steps"]])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_failed_check_is_exit_code_1(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["model", "test", *SMALL, "--lr=1e30", "--steps=2"])
    assert caught.value.code == 1
    assert "FAILED" in capsys.readouterr().out


def test_test_reads_the_dataset_of_a_project(capsys):
    Path("forgather_workspace").mkdir()
    templates = Path("data/templates/configs")
    templates.mkdir(parents=True)
    Path("data/meta.yaml").write_text("name: Data\n")
    (templates / "short.yaml").write_text(
        "train_dataset:\n" + "    - input_ids: [5, 6, 7]\n    - input_ids: [8, 9]\n" * 6
    )
    (templates / "text.yaml").write_text("train_dataset:\n    - text: one\n")
    words = ["test", *SMALL, "--dataset-project=data", "--sequence-length=8", "--json"]
    for extra in ([], ["--packed"]):
        main(["model", *words, "--dataset-config=short.yaml", *extra])
        assert json.loads(capsys.readouterr().out)["passed"]
    assert "text but no input_ids" in failure(capsys, *words, "--dataset-config=text.yaml")
    assert "no configuration 'shirt.yaml'" in failure(capsys, *words, "--dataset-config=shirt.yaml")


def test_convert_there_and_back(capsys):
    main(["model", "construct", *SMALL, "--device=cpu", "--output-dir=ours"])
    card = Path("ours/README.md")
    assert "forgather model construct" in card.read_text()
    assert "with fresh weights" in card.read_text()
    card.write_text(card.read_text().replace("---\n", "---\nlicense: mit\n", 1))
    main(["model", "convert", "ours", "theirs", "--to", "transformers"])
    text = Path("theirs/README.md").read_text()
    assert "license: mit" in text
    assert "forgather model convert ours theirs --to transformers" in text
    main(["model", "convert", "theirs", "again"])
    models = [
        AutoModelForCausalLM.from_pretrained(name, trust_remote_code=True).eval()
        for name in ("ours", "theirs", "again")
    ]
    assert type(models[1]).__name__ == "LlamaForCausalLM"
    ids = torch.arange(6)[None]
    logits = [model(ids).logits for model in models]
    torch.testing.assert_close(logits[1], logits[0])
    assert torch.equal(logits[2], logits[0])
    assert "nowhere holds no model" in failure(capsys, "convert", "nowhere", "x")
    assert "two directories" in failure(capsys, "convert", "ours")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "one of construct, test, convert"),
        (["construct", "lama"], "'lama' is neither a command nor an override"),
        (["construct", "--hiden-size", "3"], "--hiden-size"),
        (["construct", "--batch-size", "3"], "--batch-size"),
        (["construct", "model=lama"], "llama"),
        (["construct", "--hidden-size", "wide"], "wide"),
        (["construct", "model=hf_llama"], "needs no directory"),
    ],
    ids=str,
)
def test_wrong_input_is_one_message(capsys, words, told):
    assert told in failure(capsys, *words)


def test_help_shows_the_options_of_the_model_and_imports_no_torch():
    script = (
        "import sys; from forgather_hydra.cli.forgather import main\n"
        "try: main(['model', '--help', 'model=gpt2'])\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--hidden-size", "--dim-feedforward", "--layer-norm-epsilon", "--packed"):
        assert option in done.stdout
    assert "--rope-theta" not in done.stdout
