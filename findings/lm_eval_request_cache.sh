#!/usr/bin/env bash
# With cache_requests=True (--cache_requests true) lm-eval asks the questions of the task as it was: its file may be edited, its data may
# be others, the seed of its examples another one, and the old prompts are put and scored, under the settings of today. The requests are kept
# by the task's name, the number of examples and the tokenizer. Seen with lm_eval 0.4.13 (api/task.py, Task.build_all_requests, cache_key),
# datasets 5.2.0 and Python 3.11; the first prompt of a task with two examples:
#   fewshot_random_seed=1                       Q: q1 no, Q: q4 yes, Q: q0
#   fewshot_random_seed=2                       the same; without the cache others
#   doc_to_text edited, from "Q: " to "Ask: "   the same; without the cache as edited
#
# bash findings/lm_eval_request_cache.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import lm_eval, datasets' 2>/dev/null || $python -m pip install -q lm_eval==0.4.13 datasets==5.2.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("lm_eval", "datasets")))'
cd "$work"
cat >look.py <<'PYTHON'
import json
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

TASK = """
task: letters
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl, train: rows.jsonl}}
test_split: test
fewshot_split: train
num_fewshot: 2
output_type: multiple_choice
doc_to_text: "WORD {{q}}"
doc_to_target: gold
doc_to_choice: ["yes", "no"]
"""


class Listener(LM):
    """Keeps the first prompt that it is asked about."""

    tokenizer_name = "none"

    def loglikelihood(self, requests):
        self.first = requests[0].args[0]
        return [(-1.0, False)] * len(requests)

    loglikelihood_rolling = generate_until = None


Listener.__abstractmethods__ = frozenset()
Path("rows.jsonl").write_text("".join(json.dumps({"q": f"q{n}", "gold": n % 2}) + "\n" for n in range(6)))


def first(word, seed, cached):
    Path("letters.yaml").write_text(TASK.replace("WORD", word))
    listener = Listener()
    simple_evaluate(
        listener, tasks=["letters.yaml"], cache_requests=cached, fewshot_random_seed=seed, bootstrap_iters=0,
        log_samples=False, task_manager=TaskManager(include_defaults=False))
    return listener.first


before = first("Q:", 1, True)
found = {(word, cached): first(word, seed, cached) for word, seed in (("Q:", 2), ("Ask:", 1)) for cached in (True, False)}
print("first prompt", repr(before), *(f"\n{key} first prompt {prompt!r}" for key, prompt in found.items()))
assert found["Q:", True] == found["Ask:", True] == before
assert found["Q:", False] != before and found["Ask:", False] == before.replace("Q:", "Ask:")
PYTHON
HF_HOME=$work/home LM_HARNESS_CACHE_PATH=$work/requests $python look.py 2>/dev/null | grep "first prompt"
