"""Fine-tuning on conversations, of the whole model and by adapters, as from the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_runs import TINY, metrics
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    MistralConfig,
    PhiConfig,
)

import forgather_hydra as fg
from forgather_hydra.cli.forgather import main
from forgather_hydra.config.application import composed
from forgather_hydra.config.check import check_job, decoded_job
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.build import materialize
from forgather_hydra.model import load_pretrained, load_tokenizer
from forgather_hydra.model.adapters import load_adapted, lora

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")

TRAINER = ("max_steps=4", "eval_steps=4", "save_steps=2", "logging_steps=1", "seed=3")
WORDS = (
    *(f"trainer.args.{word}" for word in TRAINER),
    *("trainer.args.per_device_train_batch_size=2", "+trainer.args.max_eval_steps=1"),
    *("main.max_new_tokens=4", "data.block_size=96"),
)

SMALL = {
    **{"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "num_key_value_heads": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finetune")


@pytest.fixture(autouse=True)
def _in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))


@pytest.fixture(scope="module")
def base(folder: Path) -> str:
    """The run of a model of texts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        words = [word for word in TINY if "max_steps" not in word]
        fg.launch(*words, "trainer.args.max_steps=2", "hydra.run.dir=base")
    return "base"


@pytest.fixture(scope="module")
def chats(folder: Path) -> str:
    """A file of conversations."""
    turns = [("user", "Who is {}?"), ("assistant", "{} is a fox of {} years.")]
    rows = [
        {"messages": [{"role": r, "content": t.format(n, n)} for r, t in turns]} for n in range(80)
    ]
    (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "chats.jsonl"


def tune(base: str, chats: str, run: str, *words: str) -> list[dict]:
    options = (f"model.path={base}", f"data.path={chats}", f"hydra.run.dir={run}")
    fg.launch("+experiment=finetune", *WORDS, *options, *words)
    return metrics(Path(run))


def test_a_model_of_texts_learns_to_converse(base, chats, capsys, monkeypatch) -> None:
    prompts = "+main.prompts=[[{role: user, content: Who is 3?}]]"
    records = tune(base, chats, "tuned", prompts)
    assert records[-1]["eval_loss"] < records[-1]["initial_eval_loss"]
    tokenizer = AutoTokenizer.from_pretrained("tuned/model", trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained("tuned/model", trust_remote_code=True)
    assert "generation" in tokenizer.chat_template
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    typed = iter(["Who is 3?", "/quit"])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))
    capsys.readouterr()
    main(["chat", "tuned", "--max-new-tokens", "3"])
    assert "no chat template" not in capsys.readouterr().err


def test_the_tokenizer_of_a_model_is_read_as_transformers_reads_it(base) -> None:
    ours, theirs = (
        load_tokenizer(base),
        AutoTokenizer.from_pretrained(f"{base}/model", trust_remote_code=True),
    )
    assert type(ours) is type(theirs)
    assert ours.backend_tokenizer.to_str() == theirs.backend_tokenizer.to_str()
    for name in ("special_tokens_map", "model_max_length", "chat_template", "padding_side"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_conversations_and_texts_become_tokens_and_are_shown_without_torch(base, chats) -> None:
    Path("texts.jsonl").write_text(f"{json.dumps({'text': 'a fox ' * 900})}\n")
    script = f"""
import sys
from forgather_hydra.cli.forgather import main
from forgather_hydra.data import (
    FilesCorpus, conversation_files, pack_blocks, tokenize_conversations, tokenize_documents
)
from forgather_hydra.model import load_tokenizer
tokenizer = load_tokenizer({base!r}, "chatml")
corpus = FilesCorpus("texts.jsonl")
pack_blocks(corpus, "train", tokenizer, 32)
tokenize_documents(corpus, "train", tokenizer)
tokenize_conversations(conversation_files({chats!r}), "train", tokenizer)
main(["dataset", "+experiment=finetune", "model.path={base}", "data.path={chats}"])
texts = ["data=files", "data.path=texts.jsonl", "data.block_size=64"]
main(["dataset", "+experiment=continue_pretraining", "model.path={base}", *texts])
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_fine_tuning_that_was_stopped_goes_on_as_if_it_had_not(base, chats) -> None:
    whole = tune(base, chats, "whole")
    tune(
        base, chats, "halves", "trainer.args.max_steps=2", "trainer.args.lr_scheduler_type=constant"
    )
    tune(base, chats, "halves2", "trainer.args.lr_scheduler_type=constant")
    again = tune(base, chats, "halves", "resume=true", "trainer.args.lr_scheduler_type=constant")
    uninterrupted = metrics(Path("halves2"))
    assert again[-1]["eval_loss"] == uninterrupted[-1]["eval_loss"]
    assert whole[-1]["global_step"] == 4


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(5, 25)[None]).logits


@pytest.mark.parametrize("adapter", ["lora", "dora"])
def test_an_adapter_trains_alone_and_is_peft_s_own(base, chats, adapter) -> None:
    run = Path(f"adapted-{adapter}")
    records = tune(base, chats, str(run), f"+adapter={adapter}", "adapter.r=4", "optimizer.lr=0.01")
    assert records[-1]["eval_loss"] < records[-1]["initial_eval_loss"]
    saved = json.loads((run / "model/adapter_config.json").read_text())
    assert (saved["r"], saved["use_dora"]) == (4, adapter == "dora")
    weights = load_file(run / "model/adapter_model.safetensors")
    assert all("lora" in name or "trainable_tokens" in name for name in weights)
    before = load_file(Path(base, "model/model.safetensors"))
    checkpoint = load_file(run / "checkpoints/checkpoint-4/model.safetensors")
    assert not [name for name in checkpoint if name.endswith("base_layer.weight")]
    alone = peft.AutoPeftModelForCausalLM.from_pretrained(run / "model", trust_remote_code=True)
    kept = {
        name.replace(".base_layer", ""): weight
        for name, weight in alone.base_model.model.state_dict().items()
    }
    same = [torch.equal(kept[n], w) for n, w in before.items() if n in kept and "embed" not in n]
    assert len(same) > 10
    assert all(same)
    main(["model", "merge", str(run), f"merged-{adapter}"])
    assert "Written by forgather_hydra" in (run / "model/README.md").read_text()
    merged = AutoModelForCausalLM.from_pretrained(f"merged-{adapter}", trust_remote_code=True)
    torch.testing.assert_close(logits(merged), logits(alone), rtol=1e-4, atol=1e-4)
    tokenizer = AutoTokenizer.from_pretrained(f"merged-{adapter}", trust_remote_code=True)
    assert tokenizer.chat_template
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    for model in merged, load_adapted(run / "model"):  # the base, which peft has, ends elsewhere
        assert model.generation_config.eos_token_id == end
    assert alone.generation_config.eos_token_id != end


def test_new_tokens_in_a_padded_vocabulary_and_where_texts_end(base) -> None:
    model = AutoModelForCausalLM.from_pretrained(Path(base, "model"), trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained(Path(base, "model"))
    size, first_end = len(tokenizer), tokenizer.eos_token_id
    model.resize_token_embeddings(size + 5)
    model.generation_config.eos_token_id = [first_end, 7]
    model.save_pretrained("padded")
    tokenizer.save_pretrained("padded")
    loaded = load_pretrained("padded", tokenizer=load_tokenizer("padded"))
    assert (loaded.new_token_ids, loaded.generation_config.eos_token_id) == ([], [first_end, 7])
    chatty = load_tokenizer("padded", chat_template="chatml")
    loaded = load_pretrained("padded", tokenizer=chatty, adapter=lora)
    assert loaded.new_token_ids == [size, size + 1]
    assert loaded.peft_config["default"].trainable_token_indices == [size, size + 1]
    assert loaded.generation_config.eos_token_id == size + 1
    for module in loaded.get_input_embeddings(), loaded.get_output_embeddings():
        rows = next(w for name, w in module.named_parameters() if name.endswith("weight"))
        assert len(rows) == size + 5
        torch.testing.assert_close(rows[size : size + 2], rows[:size].mean(0).expand(2, -1))


def with_head(base: str, run: str, bias: bool, tied: bool = False) -> str:
    """A model of transformers' own, with more rows than its tokenizer has words."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(Path(base, "model"))
    config = PhiConfig if bias else MistralConfig
    shape = {**SMALL, "vocab_size": len(tokenizer) + 5, "tie_word_embeddings": tied}
    model = AutoModelForCausalLM.from_config(config(**shape))
    if bias:
        torch.nn.init.normal_(model.lm_head.bias)
    for saved in model, tokenizer:
        saved.save_pretrained(run)
    return run


def test_a_tied_head_keeps_its_bias(base) -> None:
    run = with_head(base, "tied", bias=True, tied=True)
    before = logits(AutoModelForCausalLM.from_pretrained(run))
    chatty = load_tokenizer(run, chat_template="chatml")
    whole = load_pretrained(run, tokenizer=chatty)
    assert whole.lm_head.weight is whole.get_input_embeddings().weight
    known = [i for i in range(before.shape[-1]) if i not in whole.new_token_ids]
    torch.testing.assert_close(logits(whole)[..., known], before[..., known])
    whole.save_pretrained(f"{run}/whole")
    again = AutoModelForCausalLM.from_pretrained(f"{run}/whole")
    torch.testing.assert_close(logits(again), logits(whole))
    with pytest.raises(ValueError, match="peft would leave out the bias of its head"):
        load_pretrained(run, tokenizer=chatty, adapter=lora)
    adapted = load_pretrained(run, tokenizer=load_tokenizer(run), adapter=lora)
    torch.testing.assert_close(logits(adapted), before)


@pytest.mark.parametrize("bias", [False, True])
def test_new_tokens_of_a_head_of_its_own_are_those_that_peft_loads(base, bias) -> None:
    run = with_head(base, f"headed-{bias}", bias)
    chatty = load_tokenizer(run, chat_template="chatml")
    loaded = load_pretrained(run, tokenizer=chatty, adapter=lora)
    untrained = load_pretrained(run, tokenizer=chatty)
    torch.testing.assert_close(logits(loaded), logits(untrained))
    rows = [weight for name, weight in loaded.named_parameters() if "trainable_tokens" in name]
    assert len(rows) == (1 if bias else 2)
    with torch.no_grad():
        for weight in rows:
            weight.add_(torch.randn_like(weight))
    loaded.save_pretrained(f"{run}/adapter")
    chatty.save_pretrained(f"{run}/adapter")
    again = peft.AutoPeftModelForCausalLM.from_pretrained(f"{run}/adapter")
    torch.testing.assert_close(logits(again), logits(loaded))


def test_the_training_of_an_adapter_resumes_exactly(base, chats) -> None:
    words = ("+adapter=lora", "adapter.dropout=0.1", "trainer.args.lr_scheduler_type=constant")
    whole = tune(base, chats, "lora-whole", *words)
    tune(base, chats, "lora-halves", *words, "trainer.args.max_steps=2")
    again = tune(base, chats, "lora-halves", *words, "resume=true")
    assert again[-1]["eval_loss"] == whole[-1]["eval_loss"]
    first, second = (
        load_file(f"{run}/model/adapter_model.safetensors") for run in ("lora-whole", "lora-halves")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def talker(base, chats, folder) -> str:
    """The run of a model that knows the tokens of conversations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        tune(base, chats, "talker", "trainer.args.max_steps=1")
    return "talker"


def test_a_prefix_trains_alone_resumes_exactly_and_answers(talker, chats, capsys) -> None:
    words = ("+adapter=prefix", "adapter.tokens=6", "data.packed=false", "optimizer.lr=0.1")
    words += ("trainer.args.lr_scheduler_type=constant",)
    whole = tune(talker, chats, "prefix-whole", *words)
    assert whole[-1]["eval_loss"] < whole[-1]["initial_eval_loss"]
    tune(talker, chats, "prefix-halves", *words, "trainer.args.max_steps=2")
    again = tune(talker, chats, "prefix-halves", *words, "resume=true")
    assert again[-1]["eval_loss"] == whole[-1]["eval_loss"]
    saved = load_file("prefix-whole/model/adapter_model.safetensors")
    assert [weight.shape[0] for weight in saved.values()] == [6]
    model, ids = load_adapted(Path("prefix-whole/model")).eval(), torch.arange(5, 25)[None]
    written = model.generate(input_ids=ids, max_new_tokens=4, do_sample=False, eos_token_id=None)
    for length in range(ids.shape[1], written.shape[1]):
        likeliest = model(input_ids=written[:, :length], use_cache=False).logits[0, -1].argmax()
        assert likeliest == written[0, length]
    with pytest.raises(SystemExit, match="2"):
        main(["model", "merge", "prefix-whole"])
    assert "holds a prefix" in capsys.readouterr().err


def test_an_adapter_trains_on_a_model_of_four_bits_and_resumes_exactly(base, chats) -> None:
    words = ("+adapter=qlora", "optimizer.lr=0.01", "trainer.args.lr_scheduler_type=constant")
    whole = tune(base, chats, "four-whole", *words)
    assert whole[-1]["eval_loss"] < whole[-1]["initial_eval_loss"]
    tune(base, chats, "four-halves", *words, "trainer.args.max_steps=2")
    again = tune(base, chats, "four-halves", *words, "resume=true")
    assert again[-1]["eval_loss"] == whole[-1]["eval_loss"]


def test_an_adapter_does_not_go_on_with_another_model(base, chats) -> None:
    shutil.copytree(base, "own-base")
    words = ("+adapter=lora", "trainer.args.lr_scheduler_type=constant")
    tune("own-base", chats, "left-behind", *words, "trainer.args.max_steps=2")
    with pytest.raises(ValueError, match=r"of an adapter with alpha=16, which is 32 now"):
        tune("own-base", chats, "left-behind", *words, "adapter.alpha=32", "resume=true")
    file = Path("own-base/model/model.safetensors")
    weights = load_file(file)
    name = next(name for name in weights if "linear" in name)
    save_file({**weights, name: weights[name] + 1e-3}, file, {"format": "pt"})
    with pytest.raises(ValueError, match="the model that the adapter is of has been changed"):
        tune("own-base", chats, "left-behind", *words, "resume=true")


@pytest.mark.parametrize(
    ("trainer", "adapter"), [("accel", "lora"), ("fsdp", "lora"), ("fsdp", "dora")]
)
def test_an_adapter_trains_in_two_processes_as_in_one(base, chats, trainer, adapter) -> None:
    words = (f"+adapter={adapter}", "trainer.args.max_steps=2", "optimizer.lr=0.01")
    one, both = (f"{trainer}-{adapter}-{n}" for n in (1, 2))
    alone = tune(base, chats, one, *words, "trainer.args.per_device_train_batch_size=4")
    two = tune(base, chats, both, *words, f"trainer={trainer}", "resources.nproc_per_node=2")
    assert two[-1]["eval_loss"] == pytest.approx(alone[-1]["eval_loss"], abs=1e-4)
    first, second = (load_file(f"{run}/model/adapter_model.safetensors") for run in (one, both))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("pattern", ["[value_linear]", "'.*layers.0.*value_linear'"])
def test_modules_are_chosen_by_name_or_expression(base, pattern) -> None:
    words = ["+experiment=continue_pretraining", f"model.path={base}", "+adapter=lora"]
    with composed([*words, f"adapter.target_modules={pattern}"]) as job:
        check_job(job)
        model = materialize(decoded_job(job)["model"])
    adapted = {n.split(".lora_A")[0] for n, _ in model.named_parameters() if ".lora_A" in n}
    assert len(adapted) == (1 if "layers" in pattern else 2)
    assert all(name.endswith("value_linear") for name in adapted)


@pytest.mark.parametrize(
    ("experiment", "corpus"),
    [("chat", "chatterbot"), ("lora", "chatterbot"), ("continue_pretraining", "SotuCorpus")],
)
def test_a_recipe_composes_with_a_run(base, experiment, corpus) -> None:
    with composed([f"+experiment={experiment}", f"model.path={base}"]) as job:
        check_job(job)
        graph = decoded_job(job)
    assert corpus in graph["data"]["corpus"].spec
    assert ("adapter" in graph["model"].kwargs) == (experiment == "lora")


REFUSED = {
    ("+adapter=lora", "adapter.target_modules=[q_projection]"): "q_projection",
    ("+adapter=lora", "+adapter.rank=3"): "rank",
    ("+adapter=qlora", "trainer=fsdp"): "weights of four bits are not divided",
    ("+adapter=prefix",): "add data.packed=false",
    ("+adapter=prefix", "data.packed=false"): "a prefix trains no embeddings",
    (
        "+adapter=lora",
        "trainer=pipeline",
        "trainer.microbatches=2",
    ): "trainer=single, accel or fsdp",
    ("model.path=absent",): "there is no directory absent",
    ("data.chat_template=absent",): "no shipped template; shipped: chatml",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_cannot_be_fine_tuned_is_told(base, chats, words) -> None:
    with pytest.raises(ForgatherError, match=REFUSED[words]):
        tune(base, chats, "refused", *words)


def test_rows_longer_than_a_table_of_positions_are_told() -> None:
    GPT2Config(n_embd=8, n_layer=1, n_head=1, n_positions=64).save_pretrained("positions")
    words = ["+experiment=chat", "model.path=positions", "data.block_size=64"]
    with composed(words) as job:
        check_job(job)
    told = pytest.raises(ForgatherError, match="has 64 positions, and rows have 65 tokens: add")
    with composed([*words[:2], "data.block_size=65"]) as job, told:
        check_job(job)


def test_an_adapter_is_for_a_trained_model() -> None:
    words = ["+experiment=stories", "+adapter=lora"]
    with composed(words) as job, pytest.raises(ForgatherError, match="add model=pretrained model"):
        check_job(job)


def test_an_adapter_is_merged_before_its_model_is_tuned_again(base, chats) -> None:
    Path("adapter/model").mkdir(parents=True)
    Path("adapter/model/adapter_config.json").write_text("{}")
    with pytest.raises(ForgatherError, match="forgather model merge adapter"):
        tune("adapter", chats, "refused")


AGAIN = """
import sys
from forgather_hydra.config.application import composed
from forgather_hydra.config.check import decoded_job
from forgather_hydra.data import cache
from forgather_hydra.graph.build import materialize
cache._JUST_WRITTEN = 0.0
with composed(sys.argv[1:]) as job:
    materialize(decoded_job(job)["data"]["train_dataset"])
print(*sys.modules.keys() & {"datasets", "torch"})
"""


def test_conversations_that_have_not_changed_are_not_read_again(
    base: str, chats: str, folder: Path, monkeypatch
) -> None:
    """But those of which there is something to tell."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "again"))
    rows = (folder / chats).read_text()
    blank = json.dumps({"prompt": "Who?", "completion": ""})
    (folder / "blank.jsonl").write_text(f"{rows}{blank}\n")

    def prepared(file: str) -> tuple[str, bool]:
        words = ["+experiment=finetune", f"model.path={base}", f"data.path={file}"]
        command = [sys.executable, "-c", AGAIN, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip(), "empty answer" in done.stderr

    assert [prepared(chats) for _ in range(2)] == [("datasets", False), ("", False)]
    assert [prepared("blank.jsonl") for _ in range(2)] == [("datasets", True)] * 2
