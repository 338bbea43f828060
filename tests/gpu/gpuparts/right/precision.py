"""bf16, fp16 with its loss scale, tf32 and pure bfloat16 against float32: the same loss curve."""

from __future__ import annotations

from gpuparts.setting import Outcome, Setting
from gpuparts.training import apart, curve, trainer

LIMIT = 60

PRECISIONS = {
    "bf16": ({"bf16": True}, 3e-2),
    "fp16": ({"fp16": True}, 1e-2),
    "tf32": ({"float32_matmul_precision": "high"}, 5e-3),
    # Small updates are lost in the rounding of such weights.
    "bfloat16_weights": ({"default_dtype": "bfloat16"}, 0.15),
}


def run(setting: Setting) -> Outcome:
    exact = curve(setting, "float32")
    found = Outcome()
    for name, (options, bound) in PRECISIONS.items():
        found.check(name, apart(curve(setting, name, **options), exact), bound)
    scaled = trainer(setting, "scale", fp16=True)
    scaled.train()
    found.figures["loss_scale"] = scaled.guard.loss_scale
    found.figures["skipped"] = sum(r.get("skipped_steps", 0) for r in scaled.state.log_history)
    return found
