#!/usr/bin/env bash
# gather_for_metrics, which leaves out the rows that were put in to have equal batches, leaves them in where each process reads a stream by
# itself: metrics count the first rows twice. It is told nowhere, as the length of a stream is not known. Seen with accelerate 1.15.0
# (data_loader.py, IterableDatasetShard, and Accelerator.gather_for_metrics), torch 2.13.0 and Python 3.11, for 11 rows, batches of two and
# two processes:
#   a list                                    0 to 10
#   an IterableDataset                        0 to 10
#   the same with dispatch_batches=False      0 to 10 and 0 once more
#
# bash findings/accelerate_stream_metrics.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import accelerate, torch' 2>/dev/null || $python -m pip install -q accelerate==1.15.0 torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("accelerate", "torch")))'
cd "$work"
cat >look.py <<'PYTHON'
import os

import torch
from torch.utils.data import DataLoader, IterableDataset

ROWS = 11


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.arange(ROWS))


def look(rank, port):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    from accelerate import Accelerator, DataLoaderConfiguration
    from accelerate.state import AcceleratorState, GradientState

    found = {}
    for name, data, dispatch in (("list", [*range(ROWS)], None), ("stream", Stream(), None), ("read by each", Stream(), False)):
        AcceleratorState._reset_state()
        GradientState._reset_state()
        accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(dispatch_batches=dispatch))
        loader = accelerator.prepare(DataLoader(data, batch_size=2))
        found[name] = [row for batch in loader for row in accelerator.gather_for_metrics(batch).tolist()]
        if rank == 0:
            print(f"{name:14} {found[name]}")
    assert sorted(found["list"]) == sorted(found["stream"]) == [*range(ROWS)]
    assert sorted(found["read by each"]) == [0, *range(ROWS)]
    accelerator.end_training()


if __name__ == "__main__":
    from torch.distributed.elastic.utils.distributed import get_free_port

    torch.multiprocessing.spawn(look, (get_free_port(),), 2)
PYTHON
OMP_NUM_THREADS=1 $python look.py 2>/dev/null
