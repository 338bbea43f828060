#!/usr/bin/env bash
# load_best_model_at_end loads another model than the best of those saved where the best evaluation fell between two checkpoints, which
# the arguments allow: save_steps may be a multiple of eval_steps. A checkpoint counts only if nothing before it was better, saved or
# not; where none is left, the last model stays. Neither is told. Seen with transformers 5.24.0 (Trainer._save_checkpoint, which looks
# for the folder of best_global_step), torch 2.13.0, accelerate 1.15.0 and Python 3.11 on a CPU, for nine steps, save_steps=3 and a
# loss that falls until some step and then rises:
#   until step 5, eval_steps=1   the model of step 3, though checkpoint-6 was better by 0.1
#   until step 5, eval_steps=3   that of step 6
#   until step 1, eval_steps=1   best_model_checkpoint is None, the model that of step 9, though checkpoint-3 was better by 0.5
#
# bash findings/transformers_best_model.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import transformers, torch, accelerate' 2>/dev/null || $python -m pip install -q transformers==5.24.0 torch==2.13.0 accelerate==1.15.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("transformers", "torch", "accelerate")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

rows = [{"input_ids": torch.full((6,), 9), "labels": torch.full((6,), 5)}] * 80
strategies = {"eval_strategy": "steps", "save_strategy": "steps", "save_steps": 3, "load_best_model_at_end": True}
settings = {"max_steps": 9, "optim": "sgd", "learning_rate": 0.01, "lr_scheduler_type": "constant", **strategies}
quiet = {"report_to": "none", "disable_tqdm": True, "use_cpu": True}


class Turn(TrainerCallback):
    """Has the training unlearn what it has learned, from some step on."""

    def __init__(self, after):
        self.after = after

    def on_step_end(self, args, state, control, optimizer, **others):
        optimizer.param_groups[0]["maximize"] = state.global_step >= self.after


def look(turn, eval_steps):
    """Losses by step as they were evaluated, the checkpoint that was loaded, and the loss in the end."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=44, **shape))
    arguments = TrainingArguments("out", eval_steps=eval_steps, **settings, **quiet)
    trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows[:4], callbacks=[Turn(turn)])
    trainer.train()
    losses = {log["step"]: log["eval_loss"] for log in trainer.state.log_history if "eval_loss" in log}
    loaded, end = trainer.state.best_model_checkpoint, trainer.evaluate()["eval_loss"]
    print("losses", {step: round(loss, 2) for step, loss in losses.items()}, "loaded", loaded, f"in the end {end:.2f}")
    return losses, loaded, end


losses, loaded, end = look(turn=5, eval_steps=1)
assert min(losses, key=losses.get) == 5 and losses[6] < losses[3] - 0.05
assert loaded == "out/checkpoint-3" and abs(end - losses[3]) < 1e-4

losses, loaded, end = look(turn=5, eval_steps=3)
assert loaded == "out/checkpoint-6" and abs(end - losses[6]) < 1e-4

losses, loaded, end = look(turn=1, eval_steps=1)
assert min(losses, key=losses.get) == 1 and losses[3] < losses[9] - 0.3
assert loaded is None and abs(end - losses[9]) < 1e-4
PYTHON
$python look.py 2>/dev/null | grep ^losses
