"""The files of an exported model."""

import json
import subprocess
import sys

import pytest
from transformers import GenerationConfig

from forgather_hydra import paths
from forgather_hydra.model import build_model, export_model
from forgather_hydra.model.parts import collect_parts


def test_directory_is_flat_and_holds_the_used_parts_only(code, config, tokenizer, tmp_path):
    export_model(code, config, tmp_path, tokenizer)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    names = {path.name for path in tmp_path.iterdir()}
    # attention_interface is imported by a part only, null_pe by nothing here
    assert {"small_llama.py", "rms_norm.py", "attention_interface.py", "tokenizer.json"} <= names
    assert "null_pe.py" not in names


def test_config_has_architecture_and_token_ids(code, config, tokenizer, tmp_path):
    for key in ("vocab_size", "bos_token_id", "eos_token_id"):
        del config[key]
    export_model(code, config, tmp_path, tokenizer)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["hidden_size"] == 64
    assert written["vocab_size"] == len(tokenizer)
    assert (written["bos_token_id"], written["eos_token_id"]) == (0, 1)
    assert written["auto_map"]["AutoModelForCausalLM"] == "small_llama.DynamicCasualLM"
    assert GenerationConfig.from_pretrained(tmp_path).eos_token_id == 1


def test_model_type_follows_the_content(code, render, config, tmp_path):
    def model_type(name, code, part_dirs=None):
        export_model(code, config, tmp_path / name, part_dirs=part_dirs)
        return json.loads((tmp_path / name / "config.json").read_text())["model_type"]

    original = model_type("a", code)
    assert original.startswith("small_llama-")
    assert model_type("b", code) == original
    changed = tmp_path / "parts"
    changed.mkdir()
    text = (paths.modelsrc_dir() / "rms_norm.py").read_text()
    (changed / "rms_norm.py").write_text(text + "# changed\n")
    assert model_type("c", code, [changed, paths.modelsrc_dir()]) != original
    assert model_type("d", render("other_llama")).startswith("other_llama-")


def test_models_of_one_name_do_not_share_code(code, config, tmp_path):
    changed = tmp_path / "parts"
    changed.mkdir()
    text = (paths.modelsrc_dir() / "rms_norm.py").read_text()
    (changed / "rms_norm.py").write_text(text + "    changed = True\n")
    plain = build_model(code, config, tmp_path / "a/model")
    other = build_model(
        code, config, tmp_path / "b/model", part_dirs=[changed, paths.modelsrc_dir()]
    )
    assert hasattr(other.causal_lm.layer_stack.layer_norm, "changed")
    assert not hasattr(plain.causal_lm.layer_stack.layer_norm, "changed")


def test_current_files_are_not_written_again(code, config, tmp_path):
    def stamps():
        export_model(code, config, tmp_path)
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    before = stamps()
    config["rope_theta"] = 500.0
    after = stamps()
    assert {name for name in before if before[name] != after[name]} == {"config.json"}


def test_missing_part_is_named(code, config, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'\.\w+', imported by the generated code"):
        export_model(code, config, tmp_path / "model", part_dirs=[tmp_path])


def test_imports_other_than_siblings_are_refused():
    with pytest.raises(ValueError, match="flat"):
        collect_parts("from .package.part import Part", [])


def test_code_without_a_name_is_refused(config, tmp_path):
    with pytest.raises(ValueError, match="model_type"):
        export_model("x = 1", config, tmp_path)


def test_a_model_must_not_hide_its_part(render, config, tmp_path):
    with pytest.raises(ValueError, match=r"rms_norm\.py"):
        export_model(render("rms_norm"), config, tmp_path)


def test_naming_the_package_costs_no_heavy_import():
    script = (
        "import sys, forgather_hydra.model as m, forgather_hydra.model.source; m.modeling_code; "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
