"""Draw a recorded run as a terminal: ``python docs/pictures/terminal.py``.

`baseline.log` is what a run printed; `baseline.svg` is made from it.
"""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
WIDTH = 104
# As rich draws it, without fonts from the network and with fixed names.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; white-space: pre; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture(log: str) -> str:
    """The SVG of what was printed."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in log.splitlines():
        style = "bold green" if line.startswith("$") else "cyan" if "eval loss" in line else ""
        console.print(Text(line, style=style), soft_wrap=False, overflow="ellipsis", no_wrap=True)
    drawn = console.export_svg(
        title="python -m forgather_hydra +experiment=baseline", code_format=SVG, unique_id="run"
    )
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


if __name__ == "__main__":
    (HERE / "baseline.svg").write_text(picture((HERE / "baseline.log").read_text()))
