"""The report on a sweep: ranks, seeds, and a page."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from forgather_hydra.run.plot import Series, plot
from forgather_hydra.run.report import report_results
from forgather_hydra.run.results import JobResult


@pytest.fixture
def sweep_dir(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Two learning rates by two seeds, and a job that failed with a message to be escaped."""
    results = []
    values = {(0.1, 1): 3.0, (0.1, 2): 5.0, (0.001, 1): 1.0, (0.001, 2): 2.0}
    for number, ((lr, seed), value) in enumerate(values.items()):
        job = tmp_path / str(number)
        job.mkdir()
        records = [{"step": step, "loss": value + 1 / step} for step in (1, 2, 3)]
        final = {"step": 3, "final": True, "loss": 99.0}
        lines = "".join(json.dumps(record) + "\n" for record in [*records, final])
        (job / "metrics.jsonl").write_text(lines)
        words = ["+experiment=x", f"optimizer.lr={lr}", f"trainer.args.seed={seed}"]
        results.append(JobResult(number, words, "finished", value, str(number)))
    failed = ["+experiment=x", "optimizer.lr=<b>", "trainer.args.seed=1"]
    results.append(JobResult(4, failed, "failed", error="ValueError: <script>"))
    report_results(tmp_path, results, "eval_loss", "minimize")
    return tmp_path


def test_seeds_are_one_experiment(sweep_dir: Path) -> None:
    with open(sweep_dir / "seeds.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["overrides"] for row in rows] == ["optimizer.lr=0.001", "optimizer.lr=0.1"]
    assert [float(row["mean_eval_loss"]) for row in rows] == [1.5, 4.0]
    assert float(rows[1]["spread"]) == pytest.approx(2**0.5)
    assert [row["seeds"] for row in rows] == ["2", "2"]


def test_the_page_stands_alone(sweep_dir: Path) -> None:
    page = (sweep_dir / "results.html").read_text()
    assert not re.search(r"(src|href)\s*=|https?://|<script", page)
    assert "ValueError: &lt;script&gt;" in page
    curves, by_lr, by_seed = (
        ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    )
    assert len(curves.findall("polyline")) == 4
    assert all(len(line.attrib["points"].split()) == 3 for line in curves.findall("polyline"))
    assert len(by_lr.findall("circle")) == len(by_seed.findall("circle")) == 4
    # Learning rates a hundred times apart are on a logarithmic axis: its labels are powers.
    assert {"0.001", "0.01", "0.1"} <= {text.text for text in by_lr.findall("text")}
    (best,) = re.findall(r'<tr class="best">(.*)</tr>', page)
    assert "optimizer.lr=0.001 trainer.args.seed=1" in best


def test_a_curve_of_one_value_is_seen() -> None:
    svg = ElementTree.fromstring(plot([Series("job 0", [(20, 5.0)], 0)], "step", "loss"))
    assert len(svg.findall("circle")) == 1
