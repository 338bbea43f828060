#!/usr/bin/env bash
# Gradients that FSDP2 accumulates without reducing them are added in the type that is computed with: in bfloat16 the sum of equal ones
# stops at 256, however many come. To reduce each batch's, as is done without set_requires_gradient_sync(False), adds in the type of the
# weights; so does a reduce_dtype. The gradient that is left is float32 in each case, and shows nothing. Seen with torch 2.13.0
# (distributed/fsdp/_fully_shard/_fsdp_param.py, to_accumulated_grad_if_needed) and Python 3.11 on a CPU, for 301 batches whose
# gradients are 1, MixedPrecisionPolicy(param_dtype=torch.bfloat16):
#   reduced with the last batch                                      256
#   reduced with each batch                                          301
#   reduced with the last one, reduce_dtype=torch.float32            301
#
# bash findings/fsdp_accumulation.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import torch' 2>/dev/null || $python -m pip install -q torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("torch",)))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

BATCHES = 301
dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
mesh = init_device_mesh("cpu", (1,))


def accumulated(each, **types):
    model = torch.nn.Linear(4, 1, bias=False)
    fully_shard(model, mesh=mesh, mp_policy=MixedPrecisionPolicy(param_dtype=torch.bfloat16, **types))
    for number in range(1, BATCHES + 1):
        model.set_requires_gradient_sync(each or number == BATCHES)
        model(torch.ones(1, 4)).sum().backward()
    gradient = model.weight.grad.full_tensor()
    assert gradient.dtype == torch.float32
    return gradient[0, 0].item()


found = {
    "reduced with the last": accumulated(each=False),
    "reduced with each": accumulated(each=True),
    "reduced with the last, in float32": accumulated(each=False, reduce_dtype=torch.float32),
}
print(found)
assert [*found.values()] == [256, BATCHES, BATCHES]
dist.destroy_process_group()
PYTHON
$python look.py
