"""lm-eval: likelihoods, perplexity and generation on tasks from local files."""

import json

import lm_eval
import pytest
import torch
from lm_eval.tasks import TaskManager
from transformers import AutoTokenizer

ROWS = [
    {"q": "The fox lived by the", "a": " river", "b": " market", "gold": 0},
    {"q": "The owl lived on the", "a": " house", "b": " hill", "gold": 1},
    {"q": "Every morning the fox went to", "a": " the market", "b": " sleep", "gold": 0},
]
COMMON = """
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
"""
TASKS = {
    "choice": """
output_type: multiple_choice
doc_to_text: "{{q}}"
doc_to_choice: "{{[a, b]}}"
doc_to_target: gold
target_delimiter: ""
metric_list:
  - metric: acc
""",
    "perplexity": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{q}}{{a}}"
metric_list:
  - metric: byte_perplexity
""",
    "write": """
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
generation_kwargs:
  until: ["."]
  do_sample: false
  max_gen_toks: 6
metric_list:
  - metric: exact_match
""",
}


@pytest.fixture
def results(one_of_few, tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for name, text in TASKS.items():
        common = COMMON.format(data=data)
        (tmp_path / f"{name}.yaml").write_text(f"task: local_{name}\n{common}{text}")
    return lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": one_of_few, "trust_remote_code": True, "dtype": "float32"},
        tasks=[f"local_{name}" for name in TASKS],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
        device="cpu",
        batch_size=2,
        bootstrap_iters=0,
        log_samples=True,
    )


@torch.no_grad()
def test_what_it_measures(results, one_of_few, load):
    model, words = load(one_of_few), AutoTokenizer.from_pretrained(one_of_few)

    def likelihood(context: list[int], text: str) -> float:
        tokens = words(text).input_ids
        logits = model(input_ids=torch.tensor([context + tokens])).logits[0, len(context) - 1 : -1]
        return float(logits.log_softmax(-1).gather(-1, torch.tensor(tokens)[:, None]).sum())

    for sample in results["samples"]["local_choice"]:
        row = sample["doc"]
        found = [float(answer[0][0]) for answer in sample["resps"]]
        expected = [likelihood(words(row["q"]).input_ids, row[key]) for key in ("a", "b")]
        assert found == pytest.approx(expected, rel=1e-3)
    for sample in results["samples"]["local_perplexity"]:
        row = sample["doc"]
        start = [words.bos_token_id]
        expected = likelihood(start, row["q"] + row["a"])
        assert float(sample["resps"][0][0]) == pytest.approx(expected, rel=1e-3)
    for sample in results["samples"]["local_write"]:
        prompt = words(sample["doc"]["q"], return_tensors="pt")
        written = model.generate(**prompt, do_sample=False, max_new_tokens=6)
        text = words.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        assert sample["resps"][0][0] == text.split(".")[0]
