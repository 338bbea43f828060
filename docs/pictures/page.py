"""Take the picture of a sweep's page: ``python docs/pictures/page.py SWEEP_DIR``; needs Chromium.

`sweep.png` is of this sweep, on a CPU: ``forgather-hydra -m +experiment=stories
optimizer.lr=1e-2,3e-3,1e-3 hydra.sweep.dir=sweep``, with ``max_steps=100 eval_steps=10
logging_steps=2 max_eval_steps=4`` among ``trainer.args``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PICTURE = Path(__file__).with_name("sweep.png")
SIZE = "1080,1070"
LARGEST = 150_000  # bytes

if __name__ == "__main__":
    page = Path(sys.argv[1], "results.html").resolve()
    words = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}"]
    subprocess.run(["chromium", *words, f"--screenshot={PICTURE}", page.as_uri()], check=True)
    assert PICTURE.stat().st_size < LARGEST
