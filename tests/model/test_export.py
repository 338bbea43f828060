"""The files of an exported model."""

import functools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedTokenizerFast

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import build_model, export_model, load_tokenizer
from forgather_hydra.model.draft import draft_folder
from forgather_hydra.model.identity import content_hash
from forgather_hydra.model.parts import collect_parts
from forgather_hydra.tokenizer_files import save_tokenizer


def test_directory_is_flat_and_holds_the_used_parts_only(code, config, tokenizer, tmp_path):
    export_model(code, config, tmp_path, tokenizer)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    names = {path.name for path in tmp_path.iterdir()}
    # attention_interface is imported by a part only, null_pe by nothing here
    assert {"small_llama.py", "rms_norm.py", "attention_interface.py", "tokenizer.json"} <= names
    assert "null_pe.py" not in names


def test_the_tokenizer_is_not_told_how_long_the_last_text_was(tokenizer, tmp_path):
    tokenizer(["w1"], padding="max_length", truncation=True, max_length=3)
    save_tokenizer(tokenizer, tmp_path, max_position_embeddings=64)
    alone = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [len(alone.encode(text).ids) for text in ("w1 w2 w3 w4 w5", "w1")] == [5, 1]


def test_the_tokenizer_keeps_the_side_that_was_set_on_it(tokenizer, tmp_path):
    tokenizer.padding_side = "left"
    save_tokenizer(tokenizer, tmp_path, max_position_embeddings=64)
    loaded = load_tokenizer(tmp_path)
    assert (loaded.padding_side, loaded.truncation_side) == ("left", "right")


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


def test_the_same_model_is_left_as_it_is(code, config, tokenizer, tmp_path):
    def stamps():
        export_model(code, config, tmp_path, tokenizer)
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    before = stamps()
    assert stamps() == before
    model = build_model(code, config, tmp_path, tokenizer)
    model.config.use_cache = False  # as gradient checkpointing does
    model.bfloat16().save_pretrained(tmp_path)
    trained = stamps()
    assert trained.keys() > before.keys()
    assert stamps() == trained


def test_another_model_is_refused_and_the_difference_told(code, render, config, tmp_path):
    model = build_model(code, config | {"sliding_window": 8}, tmp_path / "model")
    model.save_pretrained(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    changed = tmp_path / "parts"
    changed.mkdir()
    text = (paths.modelsrc_dir() / "rms_norm.py").read_text()
    (changed / "rms_norm.py").write_text(text + "# changed\n")
    with pytest.raises(FileExistsError) as caught:
        export_model(
            render("other_llama"),
            config | {"hidden_size": 32, "layer_dropout": 0.5},
            tmp_path / "model",
            part_dirs=[changed, paths.modelsrc_dir()],
        )
    assert isinstance(caught.value, fg.errors.ForgatherError)
    told = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert sorted(told) == [
        "hidden_size: 64 -> 32",
        "layer_dropout: not set -> 0.5",
        "other_llama.py: new",
        "rms_norm.py: other code",
        "sliding_window: 8 -> not set",
        "small_llama.py: no longer used",
    ]
    assert "in a run, take these changes back or begin another" in str(caught.value.hint)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before


def test_values_and_code_edited_in_the_directory_count(code, config, tmp_path):
    export_model(code, config, tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(written | {"rope_theta": 5.0}))
    with pytest.raises(FileExistsError, match=r"rope_theta: 5\.0 -> 10000\.0"):
        export_model(code, config, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(written))
    (tmp_path / "rms_norm.py").write_text("# mine")
    with pytest.raises(FileExistsError, match=r"rms_norm\.py: other code"):
        export_model(code, config, tmp_path)


def test_another_tokenizer_of_the_same_size_is_another_model(code, config, tokenizer, tmp_path):
    export_model(code, config, tmp_path, tokenizer)
    tokenizer(["w1 w2", "w3"], padding=True)  # which changes what it saves, not its tokens
    export_model(code, config, tmp_path, tokenizer)
    other = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(
            tokenizer.backend_tokenizer.to_str().replace("w1", "x")
        ),
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
    )
    with pytest.raises(FileExistsError, match="tokenizer: other tokens"):
        export_model(code, config, tmp_path, other)


def test_overwriting_leaves_nothing_of_the_other_model(code, render, config, tmp_path):
    build_model(code, config, tmp_path).save_pretrained(tmp_path)
    (tmp_path / "notes.py").write_text("# mine")
    build_model(render("other_llama"), config | {"hidden_size": 32}, tmp_path, overwrite=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"other_llama.py", "notes.py"} <= names
    assert not {"small_llama.py", "model.safetensors"} & names
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["hidden_size"] == 32


def test_many_writers_of_one_model_do_not_disturb_each_other(code, config, tokenizer, tmp_path):
    export = functools.partial(export_model, code, config, tmp_path / "model", tokenizer)
    ranks = [multiprocessing.get_context("fork").Process(target=export) for _ in range(6)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0] * 6
    alone = export_model(code, config, tmp_path / "alone", tokenizer).parent
    assert {p.name for p in (tmp_path / "model").iterdir()} == {p.name for p in alone.iterdir()}


def killed_export(code, config, directory):
    """Export in a process that is killed while it writes the files aside."""

    def export():
        Path.write_text = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        export_model(code, config, directory)

    process = multiprocessing.get_context("fork").Process(target=export)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_what_a_killed_export_left_is_removed_by_the_next(code, config, tmp_path):
    killed_export(code, config, tmp_path)
    assert [path.name.startswith(".draft-") for path in tmp_path.iterdir()] == [True]
    export_model(code, config, tmp_path)
    assert not list(tmp_path.glob(".draft-*"))
    (tmp_path / ".draft-left").mkdir()  # by one that was killed behind its last file
    export_model(code, config, tmp_path)
    assert not list(tmp_path.glob(".draft-*"))


def test_what_a_process_still_writes_is_left_to_it(code, config, tmp_path):
    with draft_folder(tmp_path) as draft:
        export_model(code, config, tmp_path)
        export_model(code, config, tmp_path)
        assert draft.is_dir()
    assert not draft.exists()


@pytest.mark.parametrize(("own", "written"), [(None, 48), (1000, 48), (16, 16)])
def test_the_tokenizer_knows_the_length_of_the_model(
    code, config, tokenizer, tmp_path, own, written
):
    if own is not None:
        tokenizer.model_max_length = own
    before = tokenizer.model_max_length
    export_model(code, config | {"max_sequence_length": 48}, tmp_path, tokenizer)
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert len(loaded("w1 " * 100, truncation=True).input_ids) == loaded.model_max_length == written
    assert tokenizer.model_max_length == before


def test_a_tokenizer_of_ours_loads_without_a_question(
    code, config, tokenizer, tmp_path, monkeypatch
):
    export_model(
        code + f"# {tmp_path}", config, tmp_path, tokenizer
    )  # a type that is not known yet
    monkeypatch.setattr("builtins.input", lambda prompt: pytest.fail(prompt))
    assert load_tokenizer(tmp_path).get_vocab() == tokenizer.get_vocab()


def test_missing_part_is_named(code, config, tmp_path):
    code = code.replace("from .rms_norm", "from .my_norm")
    told = rf"'\.my_norm', imported by the generated code, .* in {tmp_path}, .*model\.part_dirs"
    with pytest.raises(FileNotFoundError, match=told):
        export_model(code, config, tmp_path / "model", part_dirs=[tmp_path])


def test_shipped_parts_need_no_directory(code, config, tmp_path):
    export_model(code, config, tmp_path / "model", part_dirs=[tmp_path])
    assert (tmp_path / "model/rms_norm.py").is_file()


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


def test_versions_are_no_part_of_what_a_model_is() -> None:
    made = [content_hash({"a": 1}, {"code": code, "versions": v}) for code, v in ("xa", "xb", "ya")]
    assert made[0] == made[1] != made[2]
