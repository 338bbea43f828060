"""The page on errors: what others search for, and each kind with its cure."""

from __future__ import annotations

from forgather_hydra.error_kinds import BY_SUBJECT

_HEAD = """\
# Troubleshooting

<!-- Made by docs/generate/pages.py; a test compares. -->

A message names the file and line, or the override, what is wrong, and what helps; the exit code is 2 where the input is
wrong and 1 where a job failed. `HYDRA_FULL_ERROR=1` shows the whole traceback, `forgather env` what to put into a report.

| looking for | see |
| --- | --- |
| CUDA out of memory, OOM | a smaller `trainer.args.per_device_train_batch_size` with more `gradient_accumulation_steps`; \
`model/loss=fused`; [memory of optimizers](../reference/optimizers.md); `trainer=fsdp` |
| loss is NaN | the run ends with a message; a lower `optimizer.lr`, `max_grad_norm`, [trainer](../reference/trainer.md) |
| resume after a crash, preemption, time limit | `resume=auto`: [train](train.md), [launch](launch.md) |
| multi-node, several GPUs | `resources.nproc_per_node`, `resources.nodes`: [launch](launch.md), [pipelines](pipeline.md) |
| fine-tune, LoRA, your own text | `+experiment=finetune`, `+experiment=lora`, `data=folder`: [config groups](../reference/config-groups.md), [data](data.md) |
| where does this value come from | `forgather explain PATH +experiment=NAME` |
| what did this run have that the other had not | `forgather diff RUN_A RUN_B` |
| a job of a sweep failed | `forgather status SWEEP_DIR`, `forgather logs SWEEP_DIR JOB` |
| nothing is printed where there is no terminal | a line at each `trainer.args.logging_steps` |

## Kinds of errors

The kind is `error.kind` in Python and `kind` in `forgather check --json`. Warnings have kinds, too.
"""


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    for subject, kinds in BY_SUBJECT.items():
        lines.append(f"### {subject}\n\n| kind | means | what helps |\n| --- | --- | --- |")
        lines += [f"| `{kind}` | {told.meaning} | {told.cure} |" for kind, told in kinds.items()]
        lines.append("")
    return "\n".join(lines)
