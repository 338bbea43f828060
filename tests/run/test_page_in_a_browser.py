"""The page of a sweep as a browser draws it, beside the data; ``apt-get install chromium``."""

from __future__ import annotations

import csv
import html
import itertools
import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.report.results import JobResult
from forgather_hydra.report.save import report_results
from forgather_hydra.rundir.states import State

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not BROWSER, reason="there is no Chromium")
RATES = ("0.1", "0.01", "0.001")
# What is on the screen, in its own pixels: of each plot the frame, texts, lines and points.
LOOK = """
<script>addEventListener("load", () => {
  const box = e => (({left, right, top, bottom}) => [left, right, top, bottom])(
    e.getBoundingClientRect());
  const color = (e, of) => getComputedStyle(e)[of].match(/[0-9.]+/g).map(Number);
  const plots = [...document.querySelectorAll("svg")].map(svg => ({
    box: box(svg),
    texts: [...svg.querySelectorAll("text")].map(
      t => [t.textContent, ...box(t), t.className.baseVal]),
    lines: [...svg.querySelectorAll("polyline")].map(line => [...line.points].map(
      p => p.matrixTransform(line.getScreenCTM())).map(p => [p.x, p.y])),
    points: [...svg.querySelectorAll("circle")].map(c => [c.textContent, ...box(c)]),
  }));
  const words = [...document.querySelectorAll("h1, p, th, td, li, svg text, a")].map(
    e => [e.closest("svg") ? "fill" : "color", e]).map(([of, e]) => color(e, of));
  const seen = {plots, words, page: color(document.body, "backgroundColor"),
    width: innerWidth, wide: document.documentElement.scrollWidth};
  parent.document.getElementById("seen").textContent = JSON.stringify(seen);
})</script>
"""
# A window is at least 500 pixels wide, a frame is not.
FRAME = """
<!doctype html><meta name="color-scheme" content="light dark"><pre id="seen"></pre>
<iframe style="border: 0; height: 4000px; width: {width}px" srcdoc="{page}"></iframe>
"""


@pytest.fixture(scope="module")
def sweep_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three learning rates, two seeds and a long word; losses over two powers of ten."""
    folder = tmp_path_factory.mktemp("sweep")
    results = []
    for number, (rate, seed) in enumerate(itertools.product(RATES, (1, 2))):
        records = [
            {"step": step, "loss": 100 * math.exp(-step / 9) * (1 + number / 10)}
            for step in range(1, 41)
        ]
        (folder / str(number)).mkdir()
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{number}/metrics.jsonl").write_text(lines)
        target = "torch.optim.AdamW" if number < 3 else "forgather_hydra.train:Adafactor"
        words = [
            f"optimizer.lr={rate}",
            f"optimizer._target_={target}",
            f"trainer.args.seed={seed}",
        ]
        results.append(JobResult(number, words, State.FINISHED, records[-1]["loss"], str(number)))
    report_results(folder, results, "loss", "minimize")
    return folder


def seen(sweep_dir: Path, width: int, is_dark: bool = False) -> dict[str, Any]:
    """What a browser shows of the page in a window of a width."""
    page = sweep_dir / f"looked_at_{width}_{is_dark}.html"
    text = (sweep_dir / "results.html").read_text() + LOOK
    page.write_text(FRAME.format(width=width, page=html.escape(text)))
    scheme = ["--blink-settings=preferredColorScheme=0"] if is_dark else []
    words = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={sweep_dir / 'profile'}",
    ]
    run = subprocess.run(
        [BROWSER, *words, *scheme, "--window-size=1500,900", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', run.stdout, re.DOTALL)
    assert found, run.stderr
    shown: dict[str, Any] = json.loads(html.unescape(found[1]))
    return shown


@pytest.fixture(scope="module")
def narrow(sweep_dir: Path) -> dict[str, Any]:
    return seen(sweep_dir, 390)


@pytest.fixture(scope="module")
def wide(sweep_dir: Path) -> dict[str, Any]:
    return seen(sweep_dir, 1400)


def heights(plot: dict[str, Any]) -> Any:
    """The value at a height on the screen, from the labels of a plot's axis."""
    frame = plot["box"]
    marks = [
        (float(text), (top + bottom) / 2)
        for text, _, right, top, bottom, kind in plot["texts"]
        if not kind and right < frame[0] + 0.12 * (frame[1] - frame[0])
    ]
    is_log = any("(log)" in text for text, *_ in plot["texts"])
    scale, back = (math.log10, lambda v: 10**v) if is_log else (float, float)
    (low, bottom), *_, (high, top) = sorted(marks)
    each = (scale(high) - scale(low)) / (top - bottom)
    return lambda at: back(scale(low) + each * (at - bottom))


def test_lines_are_where_the_logs_say(sweep_dir: Path, wide: dict[str, Any]) -> None:
    curves = wide["plots"][0]
    value = heights(curves)
    assert len(curves["lines"]) == 6
    for number, line in enumerate(curves["lines"]):
        text = (sweep_dir / f"{number}/metrics.jsonl").read_text()
        logged = [json.loads(record)["loss"] for record in text.splitlines()]
        assert [value(at) for _, at in line] == pytest.approx(logged, rel=0.03)


def test_points_are_where_the_table_says(sweep_dir: Path, wide: dict[str, Any]) -> None:
    with open(sweep_dir / "results.csv", newline="") as file:
        rows = {int(row["job"]): row for row in csv.DictReader(file)}
    by_rate = next(p for p in wide["plots"] if any(t[0] == "optimizer.lr" for t in p["texts"]))
    value = heights(by_rate)
    labels = {text: (left + right) / 2 for text, left, right, *_ in by_rate["texts"]}
    assert len(by_rate["points"]) == 6
    for words, left, right, top, bottom in by_rate["points"]:
        (number,) = re.findall(r"job (\d+)", words)
        row = rows[int(number)]
        assert value((top + bottom) / 2) == pytest.approx(float(row["loss"]), rel=0.03)
        assert (left + right) / 2 == pytest.approx(labels[row["optimizer.lr"]], abs=1.5)


@pytest.mark.parametrize("size", ["narrow", "wide"])
def test_everything_is_within_its_frame(size: str, request: pytest.FixtureRequest) -> None:
    shown = request.getfixturevalue(size)
    assert shown["wide"] <= shown["width"] == {"narrow": 390, "wide": 1400}[size]
    for plot in shown["plots"]:
        left, right, top, bottom = plot["box"]
        for text, *(a, b, c, d), _ in plot["texts"]:
            assert left <= a <= b <= right, text
            assert top <= c <= d <= bottom, text


def contrast(one: list[float], other: list[float]) -> float:
    """The ratio of the luminances of two colours, as WCAG has it."""

    def luminance(color: list[float]) -> float:
        parts = [c / 255 for c in color[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("is_dark", [False, True])
def test_words_stand_out_by_day_and_by_night(
    sweep_dir: Path, wide: dict[str, Any], is_dark: bool
) -> None:
    shown = seen(sweep_dir, 1400, is_dark=True) if is_dark else wide
    assert (sum(shown["page"][:3]) < 200) == is_dark
    assert min(contrast(word, shown["page"]) for word in shown["words"]) >= 4.5
