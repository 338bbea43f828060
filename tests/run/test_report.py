"""The report on a sweep: ranks, seeds, and a page."""

from __future__ import annotations

import csv
import itertools
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.errors import ForgatherError
from forgather_hydra.report.bands import over_seeds
from forgather_hydra.report.parameters import is_wide, parameters
from forgather_hydra.report.plot import Series, plot
from forgather_hydra.report.results import JobResult, best_of, brief, differing, ranked
from forgather_hydra.report.runs import link
from forgather_hydra.report.save import report_results
from forgather_hydra.report.seeds import grouped
from forgather_hydra.rundir import evaluations
from forgather_hydra.rundir.states import State


@pytest.fixture
def results(tmp_path: Path) -> list[JobResult]:
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
    return results


@pytest.fixture
def sweep_dir(tmp_path: Path, results: list[JobResult], capsys: pytest.CaptureFixture[str]) -> Path:
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
    assert not re.search(r"src\s*=|https?://|<script", page)
    assert re.findall(r'href="([^"]*)"', page) == ["2/", "3/", "0/", "1/"]
    assert "ValueError: &lt;script&gt;" in page
    curves, over_seeds, by_lr = (  # and none by seed
        ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    )
    assert len(curves.findall("polyline")) == 4
    assert all(len(line.attrib["points"].split()) == 3 for line in curves.findall("polyline"))
    assert len(over_seeds.findall("polyline")) == 2
    assert len(by_lr.findall("circle")) == 4
    # "<b>" makes words of the learning rates; that of the job that failed is not on the axis.
    labels = {text.text for text in by_lr.findall("text")}
    assert {"0.001", "0.1"} <= labels
    assert "<b>" not in labels
    (best,) = re.findall(r'<tr class="best">(.*)</tr>', page)
    assert "optimizer.lr=0.001 trainer.args.seed=1" in best


def test_the_page_says_what_jobs_share_and_which_curve_is_whose(sweep_dir: Path) -> None:
    page = (sweep_dir / "results.html").read_text()
    assert 'All jobs have <span class="words">+experiment=x</span>' in page
    legend = re.findall(r"</span>(job \d+: [^<]*)</li>", page)
    assert legend[0] == "job 0: optimizer.lr=0.1 trainer.args.seed=1"
    assert len(legend) == 4


def test_the_page_says_when_and_where_jobs_ran(
    tmp_path: Path, results: list[JobResult], capsys
) -> None:
    times = [("10:00:00", "10:01:00", "a"), ("12:00:00", "12:00:30", "b")]
    day = "2026-11-29T{}+00:00"
    attempts = [
        {"started": day.format(start), "ended": day.format(end), "host": host, "pid": 1}
        for start, end, host in times
    ]
    kept = {"signature": "s", "status": "finished", "overrides": [], "attempts": attempts}
    (tmp_path / "0/run.json").write_text(json.dumps(kept))
    results[0].metrics["parameters"] = 12345
    report_results(tmp_path, results, "eval_loss", "minimize")
    page = (tmp_path / "results.html").read_text()
    (row,) = [row for row in page.split("<tr") if 'href="0/"' in row]
    cells = re.findall(r"<td[^>]*>([^<]*)", row)
    assert cells[-5:-1] == ["2026-11-29 10:00", "0:01:30", "b", "12,345"]


def test_a_band_holds_what_the_seeds_have_logged() -> None:
    words = [[f"lr={lr}", f"seed={seed}"] for lr in (1, 2) for seed in (1, 2, 3)]
    jobs = [JobResult(n, each, "finished") for n, each in enumerate(words)]
    curves = [Series(str(n), [(0.0, n), (1.0, 2.0 * n)], n) for n in range(6)]
    first, second = over_seeds(jobs, [*curves[:5], Series("5", [(1.0, 10.0)], 5)])
    assert first.points == [(0.0, 1.0), (1.0, 2.0)]
    assert first.band == [(0.0, 0.0, 2.0), (1.0, 0.0, 4.0)]
    assert second.points == [(1.0, 8.0)]  # the only step that all have
    assert over_seeds(jobs[:1], curves[:1]) == []


def test_values_far_apart_have_a_logarithmic_axis() -> None:
    line = Series("a", [(0.0, 0.001), (1.0, 1.0), (2.0, 1000.0)], 0)
    drawn = ElementTree.fromstring(plot([line], "step", "loss"))
    heights = [float(at.split(",")[1]) for at in drawn.find("polyline").attrib["points"].split()]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert "loss (log)" in {text.text for text in drawn.findall("text")}


def test_evaluations_of_jobs_have_columns(
    tmp_path: Path, results: list[JobResult], capsys, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # else the heading takes two lines
    own = {"loss": 2.0, "perplexity": 7.4, "bits_per_byte": 1.5}
    evaluations.save(tmp_path / "0", "own data", own)
    evaluations.save(tmp_path / "0", "choice", {"acc": 0.25})
    evaluations.save(tmp_path / "2", "own data", own | {"bits_per_byte": 1.25})
    report_results(tmp_path, results, "eval_loss", "minimize")
    heading = next(line for line in capsys.readouterr().out.splitlines() if "job " in line)
    brief = ["eval_loss", "own data bits_per_byte", "choice acc", "status"]
    assert re.split(r"\s{2,}", heading.strip())[2:6] == brief
    page = (tmp_path / "results.html").read_text()
    assert '<th class="number">own data bits_per_byte<th class="number">choice acc' in page
    assert '<td class="number">1.25' in page
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["own data bits_per_byte"] for row in rows] == ["1.5", "", "1.25", "", ""]
    assert [row["own data loss"] for row in rows] == ["2.0", "", "2.0", "", ""]
    assert [row["choice acc"] for row in rows] == ["0.25", "", "", "", ""]


def test_a_curve_of_one_value_is_seen() -> None:
    svg = ElementTree.fromstring(plot([Series("job 0", [(20, 5.0)], 0)], "step", "loss"))
    assert len(svg.findall("circle")) == 1


def test_numbers_far_apart_are_on_a_logarithmic_axis() -> None:
    rates = [1e-4, 2e-4, 1e-3, 5e-3, 8e-3, 1e-2, 2e-2, 3e-2, 1e-1]
    jobs = [JobResult(i, [f"lr={rate}"], "finished", rate) for i, rate in enumerate(rates)]
    (parameter,) = parameters(jobs)
    assert (parameter.is_log, parameter.labels) == (True, {})
    points = [Series("", [(value, 1.0)], 0) for value in parameter.values]
    svg = ElementTree.fromstring(plot(points, parameter, "loss"))
    assert {"0.001", "0.01", "0.1"} <= {text.text for text in svg.findall("text")}
    places = [float(circle.attrib["cx"]) for circle in svg.findall("circle")]
    assert places[5] - places[2] == pytest.approx(places[8] - places[5], abs=0.2)


def figures(page: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The first trace of each figure of a page, and its configuration."""
    found = []
    for match in re.finditer(r'Plotly\.newPlot\(\s*"[^"]*",\s*', page):
        read = json.JSONDecoder().raw_decode
        data, end = read(page, match.end())
        _, end = read(page, page.index("{", end))
        config, _ = read(page, page.index("{", end))
        found.append((data, config))
    return found


def test_a_page_to_explore(tmp_path: Path, results: list[JobResult]) -> None:
    for number, result in enumerate(results):
        result.overrides += [f"a={'</script>' if number else 'x, y'}", f"n={10 ** (number % 3)}"]
    results[3].value = float("nan")
    report_results(tmp_path, results, "eval_loss", "minimize", is_interactive=True)
    page = (tmp_path / "results.html").read_text()
    assert not re.search(r"<(script|link|img)[^>]+(src|href)", page)
    assert page.count("</script>") == page.count("<script")
    (curves, _), ((lines,), config) = figures(page)
    assert [line["x"] for line in curves] == [[1, 2, 3]] * 4
    assert curves[1]["name"] == "job 1: optimizer.lr=0.1 trainer.args.seed=2 a=&lt;/script&gt; n=10"
    axes = {axis["label"]: axis for axis in lines["dimensions"]}
    assert list(axes) == ["job", "optimizer.lr", "trainer.args.seed", "a", "n", "eval_loss"]
    assert (
        axes["job"]["tickvals"] == axes["job"]["values"] == [0, 1, 2]
    )  # job 3 has no value, job 4 has failed
    assert axes["a"]["ticktext"] == ["x, y", "</script>"]
    assert axes["a"]["values"] == [0, 1, 1]
    assert (axes["n"]["values"], axes["n"]["ticktext"]) == ([0, 1, 2], ["1", "10", "100"])
    assert axes["eval_loss"]["values"] == lines["line"]["color"] == [3, 5, 1]
    assert not lines["line"]["reversescale"]
    assert not config["showSendToCloud"]


def test_a_page_to_explore_needs_plotly(
    tmp_path: Path, results: list[JobResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ForgatherError, match=r"forgather-hydra\[plotly\]"):
        report_results(tmp_path, results, "eval_loss", "minimize", is_interactive=True)
    assert not (tmp_path / "results.html").exists()


def test_long_overrides_are_told_by_the_ends_of_their_keys() -> None:
    short = [["optimizer.lr=0.1", "a.b=1"], ["optimizer.lr=0.2", "a.b=2"]]
    assert brief(short) == ["optimizer.lr=0.1 a.b=1", "optimizer.lr=0.2 a.b=2"]
    job = [
        "+model.encoder.layers.size='x=1, [y]'",
        "model.decoder.layers.size=3",
        "~model.head",
        "optimizer._target_=torch.optim.AdamW",
        "model=x",
    ]
    target = job[3]  # whose end alone would say little
    assert brief([job]) == [
        f"encoder.layers.size='x=1, [y]' decoder.layers.size=3 head {target} model=x"
    ]


def test_a_long_curve_that_went_back_and_is_being_written(tmp_path: Path) -> None:
    records = [{"step": step, "loss": 9.0} for step in range(900, 1100)]
    records += [{"step": step, "loss": step / 5000} for step in range(1000, 5001)]
    lines = "".join(json.dumps(record) + "\n" for record in records) + '{"step": 50'
    (tmp_path / "metrics.jsonl").write_text(lines)
    report_results(tmp_path, [JobResult(0, [], "running", None, ".")], "eval_loss", "minimize")
    page = (tmp_path / "results.html").read_text()
    (svg,) = (ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.S))
    (line,) = svg.findall("polyline")
    places = [float(place.split(",")[0]) for place in line.attrib["points"].split()]
    assert 300 < len(places) <= 601
    assert places == sorted(places)


def test_experiments_are_ranked_in_the_direction_that_is_asked_for() -> None:
    jobs = [
        JobResult(n, [f"lr={lr}", f"seed={seed}"], State.FINISHED, lr + seed)
        for n, (lr, seed) in enumerate(itertools.product((1.0, 5.0), (1, 2)))
    ]
    assert [group.overrides for group in grouped(jobs)] == ["lr=1.0", "lr=5.0"]
    assert [group.overrides for group in grouped(jobs, "maximize")] == ["lr=5.0", "lr=1.0"]


@pytest.mark.parametrize(
    ("numbers", "is_log"), [([1, 9.9], False), ([1, 10], True), ([0, 99], False), ([-1, 99], False)]
)
def test_an_axis_is_logarithmic_from_one_power_of_ten_on(numbers, is_log: bool) -> None:
    assert is_wide(numbers) == is_log


def test_what_is_no_number_is_not_best_in_either_direction() -> None:
    values = [float("inf"), 2.0, float("nan"), 3.0, float("-inf")]
    jobs = [JobResult(n, [], "finished", value) for n, value in enumerate(values)]
    for direction, order in (("minimize", [1, 3, 0, 2, 4]), ("maximize", [3, 1, 0, 2, 4])):
        assert [job.number for job in ranked(jobs, direction)] == order
        assert best_of(jobs, direction) is jobs[order[0]]


def test_a_single_job_is_named_by_all_its_overrides() -> None:
    assert differing([["a=1", "b=2"]]) == [["a=1", "b=2"]]
    assert differing([["a=1", "b=2"], ["a=1", "b=3"]]) == [["b=2"], ["b=3"]]


def test_what_lies_elsewhere_has_no_link() -> None:
    assert (link("a b/0"), link("/elsewhere/0"), link(None)) == ("a%20b/0/", None, None)


def test_jobs_that_did_not_finish_are_no_seeds() -> None:
    states = ["finished", "finished", "pruned", "stopped"]
    jobs = [JobResult(n, [f"seed={n}"], state, float(n)) for n, state in enumerate(states)]
    (group,) = grouped(jobs)
    assert group.values == [0.0, 1.0]


def test_a_job_without_a_curve_takes_nothing_from_the_others() -> None:
    jobs = [JobResult(n, [f"seed={n}"], "finished") for n in range(3)]
    curves = [Series(str(n), [(1.0, float(n))] if n else [], n) for n in range(3)]
    (mean,) = over_seeds(jobs, curves)
    assert (mean.name, mean.points) == ("as it is: mean of 2", [(1.0, 1.5)])


def test_long_numbers_have_no_labels_of_their_own() -> None:
    for texts, labels in ((["1", "2"], {1.0: "1", 2.0: "2"}), (["1", "0.123456789"], {})):
        jobs = [JobResult(n, [f"lr={text}"], "finished") for n, text in enumerate(texts)]
        assert parameters(jobs)[0].labels == labels
