"""What only a GPU can show: whether training is right there, and how fast it is.

    python tests/gpu/run.py --out DIR [--device cuda|cpu] [--parts curve,peak]

Runs parts, each in a process of its own with a limit of time, and adds a line of JSON for each to
DIR/results.jsonl. A part that has a line there already is left out, unless it is asked for with
--again: what was cut short goes on where it stopped. `--list` says what each part shows. With
`--device cpu` the same parts run in tiny sizes, which tells of mistakes in them and nothing else.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("torch", "transformers", "accelerate", "platformdirs", "xxhash", "rich")


def main() -> int:
    options = parse()
    make_importable(options.site)
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(
            f"not installed: {', '.join(missing)}. On another machine, make a folder of them with "
            "'pip install --no-deps --target DIR -r tests/gpu/site.txt', and give it as --site DIR",
            file=sys.stderr,
        )
        return 2
    import torch
    from gpuparts import order, schedule

    if options.list:
        for name in order.PARTS:
            print(f"{name:<20}{order.describe(name)}")
        return 0
    try:
        names = order.chosen(options.parts)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.device == "cuda" and not torch.cuda.is_available():
        print("torch finds no GPU here: --device cpu tries the parts out", file=sys.stderr)
        return 2
    scratch = Path(options.scratch or tempfile.mkdtemp(prefix="gpu-"))
    schedule.set_caches(scratch)
    return schedule.run(names, options, scratch)


def parse() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("gpu-results"), help="results.jsonl")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes on a GPU, too")
    parser.add_argument("--parts", default="", help="some of them, separated by commas")
    parser.add_argument("--again", action="store_true", help="also parts that have a line already")
    parser.add_argument("--seconds", type=float, default=470, help="for all parts together")
    parser.add_argument("--jobs", type=int, default=0, help="parts at a time that time nothing")
    parser.add_argument("--site", type=Path, help="folder of packages that Python lacks here")
    parser.add_argument("--scratch", help="folder for caches and runs; a temporary one by default")
    parser.add_argument("--list", action="store_true", help="say what the parts show, and end")
    return parser.parse_args()


def make_importable(site: Path | None) -> None:
    """Has this process and those that it starts find the package, which need not be installed."""
    here = [ROOT / "tests" / "gpu", ROOT / "tests" / "bench", ROOT, ROOT / "launchers"]
    found = [str(path) for path in here + ([site.resolve()] if site else [])]
    sys.path[:0] = found
    before = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    os.environ["PYTHONPATH"] = os.pathsep.join([*found, *before])


if __name__ == "__main__":
    sys.exit(main())
